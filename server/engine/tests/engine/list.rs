//! Listing by pytest's `-k` and `-m`.

use pytest_lens_protocol::{ErrorCode, Response};

use crate::common::{Lab, Order, refused};

const FILES: &[(&str, &str)] = &[
    ("pytest.ini", "[pytest]\nmarkers =\n    slow\n    device\n"),
    (
        "test_a.py",
        "import pytest\n\n@pytest.mark.slow\ndef test_login(): pass\n\n@pytest.mark.device(serial='x')\ndef test_logout(): pass\n\n\
         class TestUser:\n    @pytest.mark.parametrize('n', ['one', 'two'])\n    def test_name(self, n): pass\n",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn tests_are_listed_by_keyword_and_marker_and_a_bad_expression_is_refused_by_name() {
    let lab = Lab::open(FILES).await;
    let all = [
        "test_a.py::test_login",
        "test_a.py::test_logout",
        "test_a.py::TestUser::test_name[one]",
        "test_a.py::TestUser::test_name[two]",
    ];
    for (keyword, marker, expected) in [
        (None, None, &all[..]),
        (Some(""), Some(""), &all),
        (Some("LOG"), None, &all[..2]),
        (Some("testuser and not two"), None, &all[2..3]),
        (Some("login or one"), None, &[all[0], all[2]]),
        (None, Some("slow"), &all[..1]),
        (None, Some("not slow and not device"), &all[2..]),
        (None, Some("device(serial='x')"), &all[1..2]),
        (None, Some("device(serial='y')"), &[]),
        (Some("log"), Some("not slow"), &all[1..2]),
        (Some("slow"), None, &all[..1]),
    ] {
        match lab.list(keyword, marker).await {
            Response::TestList { node_ids } => assert_eq!(node_ids, expected, "-k {keyword:?} -m {marker:?}"),
            other => panic!("no list: {other:?}"),
        }
    }

    for (keyword, marker, bad) in [(Some("login and"), None, "login and"), (None, Some("slow or ("), "slow or (")] {
        let (code, message) = refused(lab.list(keyword, marker).await);
        assert_eq!(code, ErrorCode::InvalidRequest);
        assert!(message.contains(bad), "{message}");
        let order = Order::all().with(|options| {
            options.keyword = keyword.map(str::to_owned);
            options.marker = marker.map(str::to_owned);
        });
        let (code, message) = lab.refusal(order).await;
        assert_eq!(code, ErrorCode::InvalidRequest);
        assert!(message.contains(bad), "{message}");
    }
    lab.close().await;
}

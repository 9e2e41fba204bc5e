//! Kept fixtures are never older than the files that they have read; those that they write themselves do not count.

use serde_json::json;

use crate::common::{Lab, Order};

const MODES: [&str; 2] = ["embedded", "subprocess"];

/// A project with one fixture, which logs its set-ups and teardowns.
async fn lab(mode: &str, set_up: &str, files: &[(&str, &str)]) -> Lab {
    let conftest = format!(
        "\
import glob, os, pathlib, pytest, sqlite3, subprocess, sys
here = pathlib.Path(__file__).parent

def log(line):
    with open(here / 'log', 'a') as file:
        print(line, file=file)

@pytest.fixture(scope='session')
def value(tmp_path_factory):
    log('up')
    {}
    yield value
    log('down')
",
        set_up.replace('\n', "\n    ")
    );
    let tests = "def test(value): assert value == 1\n";
    let own = [("conftest.py", conftest.as_str()), ("test_a.py", tests)];
    let all: Vec<(&str, &str)> = own.iter().chain(files).copied().collect();
    let lab = Lab::living_in(mode, &all).await;
    lab.configure(json!({ "fixtureReuse": { "enabled": true } })).await;
    lab
}

async fn passes(lab: &Lab) -> bool {
    let [total, passed, ..] = lab.counts(Order::all()).await;
    assert_eq!(total, 1);
    passed == 1
}

fn log(lab: &Lab) -> String {
    lab.project.lines("log").join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_fixture_is_set_up_again_when_a_file_that_it_read_has_changed() {
    let sets_up = "value = int((here / 'data.txt').read_text())";
    for mode in MODES {
        let lab = lab(mode, sets_up, &[("data.txt", "1")]).await;
        assert!(passes(&lab).await && passes(&lab).await);
        assert_eq!(log(&lab), "up", "{mode}");
        lab.project.edit_in_disguise("data.txt", "1", "2");
        assert!(!passes(&lab).await, "{mode}");
        assert!(!passes(&lab).await, "{mode}");
        assert_eq!(log(&lab), "up down up", "{mode}");
        lab.project.edit_in_disguise("data.txt", "2", "1");
        assert!(passes(&lab).await, "{mode}");
        assert_eq!(log(&lab), "up down up down up", "{mode}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_read_counts() {
    // A name, the set-up, and the file whose coming or change lets the test fail.
    let ways = [
        ("import", "import late\nvalue = late.VALUE", "late.py", "VALUE = 2\n"),
        ("listing", "value = len(list((here / 'data').iterdir()))", "data/b.csv", ""),
        ("glob", "value = len(glob.glob(str(here / 'data' / '*')))", "data/b.csv", ""),
        ("missing", "try: value = int(open(here / 'new.txt').read())\nexcept OSError: value = 1", "new.txt", "2"),
        (
            "program",
            "value = int(subprocess.check_output([sys.executable, str(here / 'program.py')]))",
            "program.py",
            "print(2)",
        ),
        ("failed set-up", "value = int(open(here / 'number.txt').read())", "number.txt", "x"),
    ];
    for (name, set_up, file, new) in ways {
        let files = [("late.py", "VALUE = 1\n"), ("data/a.csv", ""), ("program.py", "print(1)"), ("number.txt", "1")];
        let lab = lab("embedded", set_up, &files).await;
        assert!(passes(&lab).await && passes(&lab).await, "{name}");
        assert_eq!(log(&lab), "up", "{name}");
        lab.project.write(file, new);
        assert!(!passes(&lab).await, "{name}");
        assert_eq!(log(&lab), "up down up", "{name}");
        lab.close().await;
    }
    // The other way round: a set-up that failed is tried again when its reason is gone.
    let lab = lab("embedded", "value = int(open(here / 'number.txt').read())", &[]).await;
    assert!(!passes(&lab).await);
    lab.project.write("number.txt", "1");
    assert!(passes(&lab).await);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_others_counts() {
    let set_up = "base = sqlite3.connect(here / 'data.db')\n\
                  value = base.execute('PRAGMA user_version').fetchone()[0]";
    let lab = lab("embedded", set_up, &[]).await;
    let set_version = |version: u8| {
        let code = format!("import sqlite3; sqlite3.connect('data.db').execute('PRAGMA user_version = {version}')");
        let mut python = std::process::Command::new(crate::common::python());
        assert!(python.args(["-c", &code]).current_dir(&lab.project.root).status().unwrap().success());
    };
    set_version(1);
    assert!(passes(&lab).await && passes(&lab).await);
    assert_eq!(log(&lab), "up");
    set_version(2);
    assert!(!passes(&lab).await);
    assert_eq!(log(&lab), "up down up");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_fixture_writes_itself_does_not_tear_it_down() {
    let set_up = "\
        (here / 'state.json').write_text('1')\n\
        value = int((here / 'state.json').read_text())\n\
        os.makedirs(here / 'build' / 'deep', exist_ok=True)\n\
        list((here / 'build').iterdir())\n\
        base = sqlite3.connect(here / 'own.db')\n\
        base.execute('CREATE TABLE IF NOT EXISTS t (a)')\n\
        base.commit()\n\
        own = tmp_path_factory.mktemp('data') / 'x'\n\
        own.write_text('x')\n\
        assert own.read_text() == 'x'";
    let changes = "
        import sqlite3, pathlib
        here = pathlib.Path(__file__).parent

        def test(value, tmp_path):
            assert value == 1
            for name in ('state.json', 'build/file', 'build/deep/file'):
                with open(here / name, 'a') as file:
                    file.write('more')
            base = sqlite3.connect(here / 'own.db')
            base.execute('INSERT INTO t VALUES (1)')
            base.commit()
            base.close()
        ";
    for mode in MODES {
        let lab = lab(mode, set_up, &[("test_a.py", changes)]).await;
        for _ in 0..3 {
            assert!(passes(&lab).await, "{mode}");
        }
        assert_eq!(log(&lab), "up", "{mode}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_a_test_imports_is_never_old() {
    let test = "def test(value):\n    import late\n    assert late.VALUE == value\n";
    let late = "import pathlib\nVALUE = int(pathlib.Path(__file__).with_name('data.txt').read_text()) * 1\n";
    for (file, old) in [("late.py", "* 1"), ("data.txt", "1")] {
        let files = [("test_a.py", test), ("late.py", late), ("data.txt", "1")];
        let lab = lab("embedded", "value = 1", &files).await;
        assert!(passes(&lab).await && passes(&lab).await);
        assert_eq!(log(&lab), "up", "{file}");
        lab.project.edit_in_disguise(file, old, &old.replace('1', "2"));
        assert!(!passes(&lab).await, "{file}");
        assert_eq!(log(&lab), "up down up", "{file}");
        lab.close().await;
    }
}

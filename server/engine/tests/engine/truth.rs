//! A run never executes code older than what is on disk when it is asked for, whatever kind of edit it was.
//!
//! No events are read here, so that nothing watches the disk: every run has to look for itself.

use std::time::{Duration, SystemTime};

use pytest_lens_protocol::ErrorCode;
use serde_json::json;

use crate::common::{Lab, Order, refused};

/// The test passes as long as `mod.VALUE` is 1.
const FILES: &[(&str, &str)] =
    &[("mod.py", "VALUE = 1\n"), ("test_a.py", "import mod\n\ndef test(): assert mod.VALUE == 1\n")];

const PASSED: [usize; 5] = [1, 1, 0, 0, 0];
const FAILED: [usize; 5] = [1, 0, 1, 0, 0];

async fn counts(lab: &Lab) -> [usize; 5] {
    lab.counts(Order::all()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_the_same_size_within_a_second_is_seen() {
    let lab = Lab::resident(FILES).await;
    assert_eq!(counts(&lab).await, PASSED);
    for _ in 0..3 {
        lab.project.edit_in_disguise("mod.py", "1", "2");
        assert_eq!(counts(&lab).await, FAILED);
        lab.project.edit_in_disguise("mod.py", "2", "1");
        assert_eq!(counts(&lab).await, PASSED);
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_puts_an_old_modification_time_back_is_seen() {
    let lab = Lab::resident(FILES).await;
    lab.project.set_mtime("mod.py", SystemTime::now() - Duration::from_secs(3600));
    assert_eq!(counts(&lab).await, PASSED);
    lab.project.edit_in_disguise("mod.py", "1", "2");
    assert_eq!(counts(&lab).await, FAILED);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_the_test_itself_is_seen() {
    let lab = Lab::resident(FILES).await;
    assert_eq!(counts(&lab).await, PASSED);
    lab.project.edit_in_disguise("test_a.py", "== 1", "!= 1");
    assert_eq!(counts(&lab).await, FAILED);
    lab.project.write("test_a.py", "def test(): pass\ndef test_new(): pass\n");
    assert_eq!(lab.counts(Order::of(&["test_a.py::test_new"])).await, PASSED);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_file_that_was_read_at_import_counts_as_code() {
    let lab = Lab::resident(&[
        ("data.json", "{\"value\": 1}"),
        ("mod.py", "import json\nwith open('data.json') as file:\n    VALUE = json.load(file)['value']\n"),
        FILES[1],
    ])
    .await;
    assert_eq!(counts(&lab).await, PASSED);
    lab.project.edit_in_disguise("data.json", "1", "2");
    assert_eq!(counts(&lab).await, FAILED);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_a_conftest_is_seen() {
    let conftest = "import pytest\n\n@pytest.fixture\ndef value(): return 1\n";
    let lab = Lab::resident(&[
        ("conftest.py", conftest),
        ("sub/conftest.py", ""),
        ("sub/test_a.py", "def test(value): assert value == 1\n"),
    ])
    .await;
    assert_eq!(counts(&lab).await, PASSED);
    lab.project.edit_in_disguise("conftest.py", "1", "2");
    assert_eq!(counts(&lab).await, FAILED);
    lab.project.write("sub/conftest.py", &conftest.replace("value()", "value(request)"));
    assert_eq!(counts(&lab).await, PASSED);
    lab.project.remove("sub/conftest.py");
    assert_eq!(counts(&lab).await, FAILED);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_configuration_file_that_comes_is_seen() {
    let lab = Lab::resident(FILES).await;
    assert_eq!(counts(&lab).await, PASSED);
    lab.project.write(".pytest.ini", "[pytest]\npython_functions = check_*\n");
    lab.project.write("test_a.py", "def test(): pass\ndef check_other(): assert False\n");
    assert_eq!(counts(&lab).await, FAILED);
    lab.project.write(".pytest.ini", "[pytest]\n");
    assert_eq!(counts(&lab).await, PASSED);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_module_that_shadows_another_is_seen() {
    let lab = Lab::resident(&[
        ("pytest.ini", "[pytest]\npythonpath = first second\n"),
        ("first/other.py", ""),
        ("second/mod.py", "VALUE = 1\n"),
        ("tests/test_a.py", FILES[1].1),
    ])
    .await;
    assert_eq!(counts(&lab).await, PASSED);
    lab.project.write("first/mod.py", "VALUE = 2\n");
    assert_eq!(counts(&lab).await, FAILED);
    lab.project.remove("first/mod.py");
    assert_eq!(counts(&lab).await, PASSED);
    lab.project.write("first/mod/__init__.py", "VALUE = 2\n");
    assert_eq!(counts(&lab).await, FAILED);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_was_missing_and_comes_is_seen() {
    let text = "try:\n    import extra\nexcept ImportError:\n    extra = None\n\ndef test(): assert extra is None\n";
    let lab =
        Lab::open(&[("pytest.ini", "[pytest]\npythonpath = src\n"), ("src/mod.py", ""), ("tests/test_a.py", text)])
            .await;
    assert_eq!(counts(&lab).await, PASSED);
    lab.project.write("src/extra.py", "");
    assert_eq!(counts(&lab).await, FAILED);
    lab.close().await;
}

/// As `compileall -b` makes them: without a source, `extra.pyc` is the module.
#[tokio::test(flavor = "multi_thread")]
async fn a_module_without_a_source_is_seen() {
    let text = "import extra\n\ndef test(): assert extra.VALUE == 1\n";
    let lab =
        Lab::resident(&[("pytest.ini", "[pytest]\npythonpath = src\n"), ("src/mod.py", ""), ("tests/test_a.py", text)])
            .await;
    assert_eq!(refused(lab.try_collect(false).await).0, ErrorCode::CollectionFailed);
    let compile = |value: u8| {
        lab.project.write("source.txt", &format!("VALUE = {value}\n"));
        let program = "import py_compile; py_compile.compile('source.txt', 'src/extra.pyc', doraise=True)";
        let status = std::process::Command::new(crate::common::python())
            .args(["-c", program])
            .current_dir(&lab.project.root)
            .status();
        assert!(status.is_ok_and(|status| status.success()));
    };
    compile(1);
    assert_eq!(counts(&lab).await, PASSED);
    compile(2);
    assert_eq!(counts(&lab).await, FAILED);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_pytests_configuration_is_seen() {
    let lab = Lab::open(&[
        ("pytest.ini", "[pytest]\nxfail_strict = false\n"),
        ("test_a.py", "import pytest\n@pytest.mark.xfail\ndef test(): pass\n"),
    ])
    .await;
    assert_eq!(counts(&lab).await, PASSED);
    lab.project.write("pytest.ini", "[pytest]\nxfail_strict = true\n");
    assert_eq!(counts(&lab).await, FAILED);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_outside_of_the_root_is_watched_too() {
    let outside = crate::common::Project::new(&[FILES[0]]);
    let lab =
        Lab::open(&[("conftest.py", &format!("import sys\nsys.path.insert(0, {:?})\n", outside.mark())), FILES[1]])
            .await;
    assert_eq!(counts(&lab).await, PASSED);
    outside.edit_in_disguise("mod.py", "1", "2");
    assert_eq!(counts(&lab).await, FAILED);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fresh_interpreters_see_every_edit_too() {
    let lab = Lab::resident_in(
        "subprocess",
        &[
            ("conftest.py", "import sys, pytest\n\n@pytest.fixture\ndef value(): return 1\n"),
            ("data.json", "1"),
            ("mod.py", "import json\nVALUE = json.load(open('data.json'))\n"),
            ("test_a.py", "import mod\n\ndef test(value): assert mod.VALUE == value\n"),
        ],
    )
    .await;
    assert_eq!(counts(&lab).await, PASSED);
    lab.project.edit_in_disguise("data.json", "1", "2");
    assert_eq!(counts(&lab).await, FAILED);
    lab.project.edit_in_disguise("conftest.py", "return 1", "return 2");
    assert_eq!(counts(&lab).await, PASSED);
    lab.project.edit_in_disguise("mod.py", "VALUE", "OTHER");
    lab.project.edit_in_disguise("test_a.py", "mod.VALUE", "mod.OTHER");
    assert_eq!(counts(&lab).await, PASSED);
    lab.project.write("mod/__init__.py", "OTHER = 3\n");
    assert_eq!(counts(&lab).await, FAILED);
    lab.project.write("test_b.py", "def test_new(): pass\n");
    assert_eq!(lab.counts(Order::of(&["test_b.py::test_new"])).await, PASSED);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytecode_that_lies_is_not_believed() {
    // Bytecode next to the source that claims to be made from it, by time and size, but is not.
    let make = "import os, py_compile\n\
                py_compile.compile('mod.py', invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)\n\
                stat = os.stat('mod.py')\nopen('mod.py', 'w').write('VALUE = 2\\n')\nos.utime('mod.py', ns=(stat.st_atime_ns, stat.st_mtime_ns))\n";
    let project = FILES;
    let lab = Lab::open(project).await;
    let made =
        std::process::Command::new(crate::common::python()).args(["-c", make]).current_dir(&lab.project.root).status();
    assert!(made.unwrap().success());
    assert_eq!(counts(&lab).await, FAILED);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seeded_and_unseeded_random_numbers_are_what_plain_pytest_has() {
    let text = "import random\n\ndef test(): open('numbers', 'a').write(f'{random.random()}\\n')\n";
    let lab = Lab::resident(&[("test_a.py", text)]).await;
    for _ in 0..3 {
        counts(&lab).await;
    }
    let mut numbers = lab.project.lines("numbers");
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 3, "unseeded runs differ");
    lab.project.write("test_a.py", &text.replace("import random\n", "import random\nrandom.seed(7)\n"));
    lab.project.remove("numbers");
    for _ in 0..3 {
        counts(&lab).await;
    }
    let mut numbers = lab.project.lines("numbers");
    numbers.dedup();
    assert_eq!(numbers.len(), 1, "runs seeded at import are the same");
    lab.close().await;
}

/// Files by their names, with what is written to them.
type Writes = &'static [(&'static str, &'static str)];

/// Each way in which an import asks the disk, and a change that leads to another answer.
const ASKED: &[(&str, &str, Writes)] = &[
    ("a hidden file that comes", "os.path.exists('.env')", &[(".env", "")]),
    (
        "a hidden file that is opened",
        "(lambda: pathlib.Path('.env').read_text() if os.access('.env', 4) else '')()",
        &[(".env", "x")],
    ),
    ("a file in a folder that nobody lists", "os.path.exists('data/deep/later')", &[("data/deep/later", "")]),
    ("a file that comes in a folder that is not there", "pathlib.Path('none/later').is_file()", &[("none/later", "")]),
    ("the size of a file", "os.path.getsize('data/a')", &[("data/a", "longer")]),
    ("hidden names", "sorted(os.listdir('data'))", &[("data/.hidden", "")]),
    ("data opened for both", "open('data/a', 'r+').read()", &[("data/a", "y")]),
    ("data opened in a folder", "os.read(os.open('a', 0, dir_fd=os.open('data', 0)), 9)", &[("data/a", "y")]),
    (
        "data in a database",
        "sqlite3.connect('file:data/base?mode=ro', uri=True).execute('select b from a').fetchall()",
        &[("data/base", "copy of other")],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn r9_p14_whatever_an_import_asked_of_the_disk_is_compared() {
    for (what, expression, changes) in ASKED {
        let text = format!(
            "import os, pathlib, sqlite3, sys\nASKED = {expression}\nNOW = lambda: {expression}\n\
             def test(): assert ASKED == NOW(), (ASKED, NOW())\n"
        );
        let lab = Lab::resident(&[("test_a.py", &text), ("data/a", "x"), ("data/deep/b", "")]).await;
        for (name, value) in [("data/base", 1), ("data/other", 2)] {
            make_database(&lab, name, value);
        }
        assert_eq!(counts(&lab).await, PASSED, "{what}");
        for (name, text) in *changes {
            if *text == "copy of other" {
                std::fs::copy(lab.project.path("data/other"), lab.project.path(name)).unwrap();
            } else {
                lab.project.write(name, text);
            }
        }
        assert_eq!(counts(&lab).await, PASSED, "{what}: changed");
        lab.close().await;
    }
}

fn make_database(lab: &Lab, name: &str, value: usize) {
    let code = "import sqlite3, sys; base = sqlite3.connect(sys.argv[1])\n\
                base.execute('create table a (b)'); base.execute(f'insert into a values ({sys.argv[2]})'); base.commit()";
    let made = std::process::Command::new(crate::common::python())
        .args(["-c", code])
        .arg(lab.project.path(name))
        .arg(value.to_string())
        .status();
    assert!(made.is_ok_and(|status| status.success()));
}

/// As C libraries do it: there is no audit event.
const READ_BY_C: &str = "\
import ctypes

c = ctypes.CDLL(None)

def read(path):
    number = c.open(path.encode(), 0)
    text = ctypes.create_string_buffer(100)
    c.read(number, text, 99)
    c.close(number)
    return text.value.decode().strip()
";

#[tokio::test(flavor = "multi_thread")]
async fn p14_a_file_that_c_code_reads_at_import_counts_as_code() {
    let lab = Lab::resident(&[
        ("reading.py", READ_BY_C),
        ("data/value.xml", "1"),
        ("data/limit.xml", "1"),
        ("conftest.py", "import reading\nLIMIT = reading.read('data/limit.xml')\n"),
        (
            "sub/test_a.py",
            "import conftest, reading\nVALUE = reading.read('data/value.xml')\n\n\
             def test(): assert (VALUE, conftest.LIMIT) == ('1', '1')\n",
        ),
    ])
    .await;
    let run = || lab.counts(Order::of(&["sub/test_a.py"]));
    assert_eq!(run().await, PASSED);
    for name in ["data/value.xml", "data/limit.xml"] {
        lab.project.edit_in_disguise(name, "1", "2");
        assert_eq!(run().await, FAILED, "{name}");
        lab.project.edit_in_disguise(name, "2", "1");
        assert_eq!(run().await, PASSED, "{name}");
        // A session that waits has read what its conftest reads.
        lab.project.write("sub/test_a.py", &format!("{}\n", lab.project.read("sub/test_a.py").unwrap()));
        assert_eq!(run().await, PASSED, "{name}");
    }
    lab.project.edit_in_disguise("data/limit.xml", "1", "2");
    assert_eq!(run().await, FAILED);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p14_a_file_outside_that_c_code_reads_at_import_counts_as_code() {
    let outside = tempfile::tempdir().unwrap();
    let path = |name: &str| outside.path().join(name);
    for name in ["named.xml", "linked/a.xml", "part/b.xml", "deep/er/c.xml", "set/d.xml"] {
        std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
        std::fs::write(path(name), "1").unwrap();
    }
    let test = format!(
        "import json, pathlib, reading, where\nBASE = pathlib.Path('{}')\n\
         VALUES = [reading.read(str(BASE / 'named.xml')), reading.read('data/a.xml')]\n\
         VALUES.append(reading.read(str(where.DEEP / 'er' / 'c.xml')))\n\
         VALUES.append(reading.read(json.load(open('conf/data.json'))['base'] + '/d.xml'))\n\
         def part(name): return reading.read(str(BASE / 'part' / name))\n\
         VALUES.append(part('b' + '.xml'))\n\
         def test(): assert VALUES == ['1'] * 5\n",
        outside.path().display()
    );
    let place = format!("import pathlib\nDEEP = pathlib.Path('{}')\n", path("deep").display());
    let configuration = json!({"base": path("set")}).to_string();
    let files = [("where.py", &*place), ("conf/data.json", &configuration), ("test_a.py", &test)];
    let lab = Lab::resident(&[&[("reading.py", READ_BY_C)], &files[..]].concat()).await;
    std::os::unix::fs::symlink(path("linked"), lab.project.root.join("data")).unwrap();
    assert_eq!(counts(&lab).await, PASSED);
    for name in ["named.xml", "linked/a.xml", "part/b.xml", "deep/er/c.xml", "set/d.xml"] {
        for (value, expected) in [("2", FAILED), ("1", PASSED)] {
            // As editors save: another file takes its name.
            std::fs::write(path("new"), value).unwrap();
            std::fs::rename(path("new"), path(name)).unwrap();
            assert_eq!(counts(&lab).await, expected, "{name}");
        }
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p14_a_file_that_is_read_by_nobody_costs_no_collection() {
    let lab = Lab::resident(&[
        ("data/value.xml", "1"),
        ("parents", ""),
        ("mod.py", "VALUE = 1\n"),
        ("test_a.py", "import os\n\ndef test():\n    open('parents', 'a').write(f'{os.getppid()}\\n')\n"),
    ])
    .await;
    assert_eq!(counts(&lab).await, PASSED);
    lab.project.edit_in_disguise("data/value.xml", "1", "2");
    assert_eq!(counts(&lab).await, PASSED);
    let parents = lab.project.lines("parents");
    assert_eq!(parents[0], parents[1], "both were forked off one session");
    lab.close().await;
}

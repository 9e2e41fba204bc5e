//! pytest's configuration files and those with our own settings. The first byte chooses the file's name.
#![no_main]

use std::io;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use pytest_lens_analysis::config::holds_configuration;
use pytest_lens_analysis::{CONFIG_FILES, SETTINGS_FILES, read_settings, settings_from};

fuzz_target!(|data: &[u8]| {
    let Some((choice, content)) = data.split_first() else { return };
    let names: Vec<&str> = CONFIG_FILES.iter().chain(&SETTINGS_FILES).copied().collect();
    let name = names[usize::from(*choice) % names.len()];
    let settings = read_settings(&|file| match file == name {
        true => Ok(content.to_vec()),
        false => Err(io::ErrorKind::NotFound.into()),
    });
    let lines = 1 + content.iter().filter(|byte| **byte == b'\n').count();
    for problem in &settings.problems {
        assert!(problem.line.is_none_or(|line| 1 <= line && line as usize <= lines), "{problem}");
        assert!(!problem.to_string().contains('\n'), "a sentence is one line: {problem}");
    }
    drop(settings.untrusted());
    let Ok(text) = std::str::from_utf8(content) else { return };
    let root = Path::new("/r");
    let _ = holds_configuration(&root.join(name), name, text);
    let found = settings_from(root, &|path| (path == root.join(name)).then(|| text.to_owned()));
    match found {
        Ok(settings) => {
            for file in ["test_a.py", "a/b_test.py", "conftest.py", "a/é test.py"] {
                drop(settings.role_of(Path::new(file), "import setuptools", &|_| true));
            }
        }
        Err(error) => assert!(!error.message.is_empty()),
    }
});

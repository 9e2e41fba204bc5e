//! pytest's options whose values are paths from the current folder. If tests run in another folder, the paths become
//! absolute, as selectors do.
//!
//! `--deselect` has ids of the rootdir, and keys of the configuration have paths of its file, but `log_file`.

use std::path::Path;

use super::selectors::tidy;

/// Options that this command reads as well, from the root.
const READ_HERE: &[&str] = &["-c", "--config-file", "--ignore", "--ignore-glob"];

/// Options that only pytest's session reads.
const READ_BY_SESSION: &[&str] = &[
    "--rootdir",
    "--confcutdir",
    "--junitxml",
    "--junit-xml",
    "--log-file",
    "-olog_file",
    "--override-ini=log_file",
    "--cov-config",
    "--html",
    "--css",
    "--cucumberjson",
    "--cucumber-json",
    "--feature",
    "--benchmark-json",
    "--benchmark-histogram",
    "--benchmark-storage",
    "--benchmark-cprofile-dump",
    "--benchmark-netrc",
    "--report-log",
    "--json-report-file",
    "--alluredir",
    "--durations-path",
    "--csv",
    "--ctrf",
    "--md-report-output",
    "--nunit-xml",
];

/// Makes the paths among pytest's arguments absolute, which are relative to the folder `here`. `elsewhere`: the session's
/// current folder is another one.
pub(crate) fn make_absolute(arguments: &mut [String], here: &Path, elsewhere: bool) {
    for argument in arguments {
        if let Some(absolute) = absolute(argument, here, elsewhere) {
            *argument = absolute;
        }
    }
}

fn absolute(argument: &str, here: &Path, elsewhere: bool) -> Option<String> {
    let (name, value) = parted(argument)?;
    let (before, path) = match name {
        _ if READ_HERE.contains(&name) => ("", value),
        _ if !elsewhere => return None,
        // The name of a package otherwise.
        "--cov" => ("", Some(value).filter(|value| !value.is_empty() && here.join(value).is_dir())?),
        "--cov-report" => value.split_once(':')?,
        _ if READ_BY_SESSION.contains(&name) => ("", value),
        _ => return None,
    };
    // pytest and plugins replace variables and the home folder; a storage may have a URL.
    let is_complete = path.is_empty() || path.starts_with(['/', '~', '$']) || path.contains("://");
    if is_complete || Path::new(path).is_absolute() {
        return None;
    }
    let absolute = tidy(&here.join(path))?;
    let colon = if before.is_empty() { "" } else { ":" };
    let head = &argument[..argument.len() - value.len()];
    Some(format!("{head}{before}{colon}{}", absolute.display()))
}

/// The option and its value, as arguments are written after parsing: `-cFILE`, `-oKEY=VALUE`, `--long=VALUE`.
fn parted(argument: &str) -> Option<(&str, &str)> {
    if let Some(file) = argument.strip_prefix("-c") {
        return Some(("-c", file));
    }
    let key_of = |prefix: &str| argument.strip_prefix(prefix)?.find('=').map(|at| prefix.len() + at);
    let end = match key_of("--override-ini=").or_else(|| key_of("-o")) {
        Some(end) => end,
        None => argument.find('=')?,
    };
    Some((argument[..end].trim_end(), &argument[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        std::fs::create_dir(here.join("src")).unwrap();
        let made = |argument: &str, elsewhere: bool| {
            let mut arguments = [argument.to_owned()];
            make_absolute(&mut arguments, here, elsewhere);
            arguments[0].replace(&here.display().to_string(), "HERE")
        };
        for (argument, expected) in [
            ("-cci.ini", "-cHERE/ci.ini"),
            ("--config-file=a/../ci.ini", "--config-file=HERE/ci.ini"),
            ("--ignore=./slow", "--ignore=HERE/slow"),
            ("--ignore-glob=slow/*", "--ignore-glob=HERE/slow/*"),
        ] {
            assert_eq!((made(argument, true), made(argument, false)), (expected.to_owned(), expected.to_owned()));
        }
        for (argument, expected) in [
            ("--rootdir=.", "--rootdir=HERE"),
            ("--junitxml=r.xml", "--junitxml=HERE/r.xml"),
            ("-olog_file=l.txt", "-olog_file=HERE/l.txt"),
            ("--override-ini=log_file=l=.txt", "--override-ini=log_file=HERE/l=.txt"),
            ("--cov=src", "--cov=HERE/src"),
            ("--cov-report=xml:c.xml", "--cov-report=xml:HERE/c.xml"),
        ] {
            assert_eq!(made(argument, true), expected);
            assert_eq!(made(argument, false), argument, "the session is in the folder");
        }
        for argument in [
            "-s",
            "-v",
            "-olog_cli=true",
            "--override-ini=testpaths=src",
            "--cov=shop",
            "--cov",
            "--cov-report=term",
            "--cov-report=xml:",
            "--junitxml=/r.xml",
            "--junitxml=~/r.xml",
            "--junitxml=$OUT/r.xml",
            "--benchmark-storage=elasticsearch+http://host/index",
            "--deselect=test_a.py::test_b",
            "-pno:logging",
            "--color=yes",
            "",
        ] {
            assert_eq!(made(argument, true), argument);
        }
    }
}

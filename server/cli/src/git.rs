//! Asks git which files of a project differ from a base.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pytest_lens_platform::files::name_of;
use pytest_lens_platform::processes::stay_stoppable;

use crate::failure::Failure;
use crate::suggest;

/// Variables by which a git hook would turn our calls to another repository or index.
const OF_HOOKS: [&str; 6] =
    ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"];

/// The files that changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Changes {
    /// The user's words for the base: `HEAD`, or where the branch left another.
    pub since: String,
    /// Absolute paths, deleted files and both names of renamed ones included.
    pub files: BTreeSet<PathBuf>,
}

/// A state to compare with.
#[derive(Debug)]
pub(crate) struct Base {
    /// The top of the repository.
    top: PathBuf,
    /// The user's words for it.
    since: String,
    /// `None`: nothing is committed yet.
    commit: Option<String>,
}

impl Base {
    /// The files of the repository that differ now: changed, added, deleted or renamed, and those that git does not
    /// follow yet (but does not ignore).
    ///
    /// # Errors
    /// A sentence on what keeps git from answering.
    pub(crate) fn changes(self) -> Result<Changes, Failure> {
        let mut files = BTreeSet::new();
        collect(&self.top, self.commit.as_deref(), &mut files)?;
        Ok(Changes { since: self.since, files })
    }
}

/// The base of the repository around a folder. An empty one is the last commit; another is where HEAD left it.
///
/// # Errors
/// A sentence on what keeps git from answering.
pub(crate) fn base(root: &Path, base: &str) -> Result<Base, Failure> {
    let top = match ask(root, &["rev-parse", "--show-toplevel"])? {
        Ok(top) if !line(&top).is_empty() => PathBuf::from(name_of(line(&top)).into_owned()),
        Ok(_) => return Err(no_repository(root)),
        Err(complaint) if complaint.contains("not a git repository") || complaint.contains("work tree") => {
            return Err(no_repository(root));
        }
        Err(complaint) => return Err(failed(&complaint)),
    };
    let head = ask(&top, &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])?.ok();
    let (since, commit) = match (base, head) {
        // Nothing is committed yet.
        ("", None) => ("the repository was created".to_owned(), None),
        ("", Some(head)) => ("the last commit".to_owned(), Some(head)),
        (base, head) => {
            let named = format!("{base}^{{commit}}");
            let Ok(commit) = ask(&top, &["rev-parse", "--verify", "--quiet", "--end-of-options", &named])? else {
                return Err(unknown(&top, base)?);
            };
            let (commit, head) = (text(&commit), head.as_deref().map(text).unwrap_or_default());
            let Ok(fork) = ask(&top, &["merge-base", &commit, &head])? else {
                return Err(Failure::usage(format!(
                    "`{base}` and HEAD have no common commit; if the clone is shallow, fetch its history with `git fetch \
                     --unshallow`"
                )));
            };
            (format!("`{base}`"), Some(fork))
        }
    };
    Ok(Base { top, since, commit: commit.as_deref().map(text) })
}

/// Whether git follows a file of the repository around a folder, which may be deleted.
pub(crate) fn is_known(root: &Path, file: &Path) -> bool {
    let listed = ask(root, &["ls-files", "--error-unmatch", "--", &file.to_string_lossy()]);
    listed.is_ok_and(|answer| answer.is_ok())
}

/// Adds the files below the top of a repository that differ from a commit; all of them if there is none.
fn collect(top: &Path, commit: Option<&str>, files: &mut BTreeSet<PathBuf>) -> Result<(), Failure> {
    let tracked = match commit {
        // Renamed files count under both names: the old one is gone.
        Some(commit) => ask(
            top,
            &["diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--ignore-submodules=none", commit, "--"],
        )?,
        None => ask(top, &["ls-files", "-z"])?,
    };
    let others = ask(top, &["ls-files", "--others", "--exclude-standard", "-z"])?;
    for listing in [tracked, others] {
        let listing = listing.map_err(|complaint| failed(&complaint))?;
        for name in listing.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let path = top.join(name_of(name));
            let is_folder = path.is_dir() && !path.is_symlink();
            if !is_folder {
                files.insert(path);
                continue;
            }
            // A submodule, or a repository that git does not follow.
            let pinned = match commit {
                Some(commit) => {
                    let at = [commit.as_bytes(), b":", name].concat();
                    ask_os(top, &[OsStr::new("rev-parse"), "--verify".as_ref(), &*name_of(&at)])?.ok()
                }
                None => None,
            };
            let pinned = pinned.as_deref().map(text);
            let has = |commit: &String| ask(&path, &["cat-file", "-e", &format!("{commit}^{{commit}}")]);
            let is_repository = path.join(".git").exists();
            let known = match &pinned {
                Some(commit) if is_repository => has(commit)?.is_ok(),
                _ => false,
            };
            if is_repository {
                collect(&path, pinned.as_deref().filter(|_| known), files)?;
            }
        }
    }
    Ok(())
}

fn no_repository(root: &Path) -> Failure {
    let root = root.display();
    Failure::usage(format!("`--affected` compares with git, but `{root}` is in no git repository"))
}

fn failed(complaint: &str) -> Failure {
    let complaint = complaint.lines().find(|line| !line.trim().is_empty()).unwrap_or("it did not say why").trim();
    let complaint = complaint.trim_start_matches("fatal: ").trim_start_matches("error: ");
    Failure::usage(format!("git can't compare the files: {complaint}"))
}

/// The sentence on a base that does not exist, with the nearest branch or tag.
fn unknown(top: &Path, base: &str) -> Result<Failure, Failure> {
    let refs = ask(top, &["for-each-ref", "--format=%(refname:short)"])?.unwrap_or_default();
    let refs = String::from_utf8_lossy(&refs).into_owned();
    let meant = suggest::did_you_mean(suggest::nearest(base, refs.lines()));
    let advice = if meant.is_empty() { "; give a branch, a tag or a commit".to_owned() } else { meant };
    Ok(Failure::usage(format!("git knows no commit `{base}`{advice}")))
}

/// The output of a git command, or its complaint.
fn ask(folder: &Path, words: &[&str]) -> Result<Result<Vec<u8>, String>, Failure> {
    let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
    ask_os(folder, &words)
}

fn ask_os(folder: &Path, words: &[&OsStr]) -> Result<Result<Vec<u8>, String>, Failure> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(words).stdin(Stdio::null());
    command.env("LC_ALL", "C").env("GIT_OPTIONAL_LOCKS", "0");
    OF_HOOKS.iter().for_each(|name| {
        command.env_remove(name);
    });
    stay_stoppable(&mut command);
    let output = command.output().map_err(|error| {
        Failure::usage(match error.kind() {
            ErrorKind::NotFound => "`--affected` needs git, which is not on the PATH".to_owned(),
            _ => format!("git can't be started: {error}"),
        })
    })?;
    if output.status.success() {
        return Ok(Ok(output.stdout));
    }
    Ok(Err(String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// The output without its end of line.
fn line(output: &[u8]) -> &[u8] {
    output.strip_suffix(b"\n").unwrap_or(output)
}

fn text(output: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(line(output.as_ref())).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn changes(root: &Path, name: &str) -> Result<Changes, Failure> {
        base(root, name)?.changes()
    }

    /// A repository in a folder of its own.
    struct Repository(tempfile::TempDir);

    impl Repository {
        fn new() -> Self {
            let made = Repository(tempfile::tempdir().unwrap());
            made.git(&["init", "-q", "-b", "main"]);
            made
        }

        fn top(&self) -> PathBuf {
            self.0.path().canonicalize().unwrap()
        }

        fn git(&self, words: &[&str]) {
            git(self.0.path(), words);
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn commit(&self) {
            self.git(&["add", "-A"]);
            self.git(&["commit", "-q", "-m", "x"]);
        }

        fn changed(&self, base: &str) -> Vec<String> {
            changed(&self.top(), &self.top(), base)
        }
    }

    fn git(folder: &Path, words: &[&str]) {
        let mut command = Command::new("git");
        command.arg("-C").arg(folder);
        for setting in ["user.name=x", "user.email=x@x", "protocol.file.allow=always", "commit.gpgsign=false"] {
            command.args(["-c", setting]);
        }
        let output = command.args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn changed(root: &Path, top: &Path, base: &str) -> Vec<String> {
        let files = changes(root, base).unwrap().files;
        files.iter().map(|path| path.strip_prefix(top).unwrap().to_str().unwrap().to_owned()).collect()
    }

    fn refusal(root: &Path, base: &str) -> String {
        match changes(root, base) {
            Err(Failure::Message { sentence, status: 4 }) => sentence.replace(&root.display().to_string(), "ROOT"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn everything_that_differs_from_the_last_commit() {
        let repository = Repository::new();
        repository.write(".gitignore", "*.log\n");
        repository.write("new.py", "");
        repository.write("noise.log", "");
        assert_eq!(repository.changed(""), [".gitignore", "new.py"], "nothing is committed");
        for name in ["staged.py", "gone.py", "moved.py", "same.py", "with blank \"é\".py", "sub/edited.py"] {
            repository.write(name, "x = 1\nlong = 'enough to be seen as the same file'\n");
        }
        repository.commit();
        assert!(repository.changed("").is_empty());
        for name in ["staged.py", "with blank \"é\".py", "sub/edited.py", "sub/untracked file.py"] {
            repository.write(name, "y = 2\n");
        }
        repository.git(&["add", "staged.py"]);
        fs::remove_file(repository.top().join("gone.py")).unwrap();
        repository.git(&["mv", "moved.py", "sub/moved.py"]);
        let all = ["gone.py", "moved.py", "staged.py", "sub/edited.py", "sub/moved.py", "sub/untracked file.py"];
        assert_eq!(repository.changed(""), [&all[..], &["with blank \"é\".py"]].concat());
        // As seen from a folder below the top.
        assert_eq!(changed(&repository.top().join("sub"), &repository.top(), "").len(), 7);
    }

    #[test]
    fn a_base_is_where_the_branch_left_it() {
        let repository = Repository::new();
        repository.write("a.py", "");
        repository.commit();
        repository.git(&["checkout", "-q", "-b", "work"]);
        repository.write("b.py", "");
        repository.commit();
        repository.git(&["checkout", "-q", "main"]);
        repository.write("later.py", "");
        repository.commit();
        repository.git(&["checkout", "-q", "work"]);
        repository.write("c.py", "");
        assert_eq!(repository.changed("main"), ["b.py", "c.py"]);
        assert_eq!(repository.changed("HEAD"), ["c.py"]);
        assert_eq!(repository.changed("HEAD~1"), ["b.py", "c.py"]);
        assert_eq!(refusal(&repository.top(), "mian"), "git knows no commit `mian`; did you mean `main`?");
        let advice = "git knows no commit `--output=x`; give a branch, a tag or a commit";
        assert_eq!(refusal(&repository.top(), "--output=x"), advice);
        repository.git(&["checkout", "-q", "--orphan", "other"]);
        repository.commit();
        assert!(refusal(&repository.top(), "main").starts_with("`main` and HEAD have no common commit; "));
    }

    #[test]
    fn files_in_a_submodule_count_one_by_one() {
        let (inner, repository) = (Repository::new(), Repository::new());
        inner.write("lib.py", "");
        inner.write("same.py", "");
        inner.commit();
        repository.git(&["submodule", "--quiet", "add", &inner.top().display().to_string(), "libs/in ner"]);
        repository.commit();
        assert!(repository.changed("").is_empty());
        repository.write("libs/in ner/lib.py", "x = 1");
        repository.write("libs/in ner/new.py", "");
        assert_eq!(repository.changed(""), ["libs/in ner/lib.py", "libs/in ner/new.py"]);
        git(&repository.top().join("libs/in ner"), &["add", "-A"]);
        git(&repository.top().join("libs/in ner"), &["commit", "-q", "-m", "x"]);
        assert_eq!(repository.changed(""), ["libs/in ner/lib.py", "libs/in ner/new.py"]);
    }

    #[test]
    fn a_folder_without_a_repository_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let said = refusal(folder.path(), "");
        assert_eq!(said, "`--affected` compares with git, but `ROOT` is in no git repository");
    }
}

//! The files and folders that a process has read, as its messages have them.

use serde::Deserialize;

/// The files, folders and names that a process has read or looked up.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct WireRead {
    pub files: Vec<WireStat>,
    pub dirs: Vec<WireDir>,
    pub names: Vec<WireLook>,
}

/// A file that was read: path; mtime and ctime in nanoseconds (no ctime if it means nothing); size; whether these alone
/// reveal later changes; the SHA-256 of the content, if known; device and inode.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct WireStat(
    pub String,
    pub i64,
    pub Option<i64>,
    pub u64,
    pub bool,
    pub Option<String>,
    pub u64,
    pub u64,
);

/// A folder that was listed: path, mtime and ctime in nanoseconds, whether these alone reveal later changes, the kind of
/// relevant names, and these names.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WireDir(pub String, pub i64, pub i64, pub bool, pub Counted, pub Vec<String>);

/// The relevant names in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Counted {
    /// No hidden ones but pytest's, no bytecode, no editors' backups.
    Shown,
    /// Hidden ones too.
    All,
    /// None: a folder of installed packages, whose times are enough.
    Installed,
}

/// A name that was looked up: path, and the result: `none`, `file`, `folder`, `other`, or `link` with its target.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WireLook(pub String, pub String);

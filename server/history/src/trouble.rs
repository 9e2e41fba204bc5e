//! Faults of the file, and the sentences for users.

use std::io;
use std::path::Path;

use rusqlite::ErrorCode;

/// Why the file could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Another program holds a lock on it, for a while.
    Locked,
    /// It is no history.
    Damaged(String),
    /// A later version wrote it, in this format.
    Newer(i64),
    /// No space, no permission, or no folder.
    Unwritable(String),
}

impl Trouble {
    /// The sentence for users: the culprit and the way out.
    pub(crate) fn sentence(&self, file: &Path) -> String {
        let file = file.display();
        match self {
            Self::Locked => {
                format!("the history {file} is locked by another program; outcomes are kept in memory until it lets go")
            }
            Self::Damaged(reason) => format!(
                "the history {file} is damaged ({reason}) and can't be set aside; move it away, and a new one is begun"
            ),
            Self::Newer(format) => format!(
                "the history {file} has format {format}, which a newer pytest-lens wrote; it is left alone, and outcomes \
                 are kept in memory only: use that version, or move the file away"
            ),
            Self::Unwritable(reason) => format!(
                "the history {file} can't be written ({reason}); outcomes are kept in memory until it can be: make room, \
                 or make its folder writable"
            ),
        }
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        let told = match &error {
            rusqlite::Error::SqliteFailure(code, message) => message.clone().unwrap_or_else(|| code.to_string()),
            other => other.to_string(),
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            // An unknown error is one of SQL: one of the tables or columns is missing.
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown) => Self::Damaged(told),
            Some(_) => Self::Unwritable(told),
            None => Self::Damaged(told),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Unwritable(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_names_the_file_and_the_way_out() {
        let told = |trouble: Trouble| trouble.sentence(Path::new("/h.sqlite"));
        let faults = [
            (Trouble::Locked, "is locked by another program", "until it lets go"),
            (Trouble::Damaged("torn".into()), "is damaged (torn)", "move it away"),
            (Trouble::Newer(9), "has format 9", "use that version, or move the file away"),
            (Trouble::Unwritable("full".into()), "can't be written (full)", "make room"),
        ];
        for (trouble, fault, way_out) in faults {
            let sentence = told(trouble);
            assert!(sentence.starts_with(&format!("the history /h.sqlite {fault}")), "{sentence}");
            assert!(sentence.contains(way_out), "{sentence}");
        }
    }
}

//! Messages from handlers and tasks to the publisher.

use std::collections::BTreeSet;
use std::path::PathBuf;

use lsp_types::{MessageType, Registration};
use pytest_lens_protocol::EventPayload;

/// Something for the client.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// An event of a folder, for a custom notification.
    Event {
        /// The folder's URI.
        workspace: String,
        /// What happened.
        payload: EventPayload,
    },
    /// A sentence for the user.
    Message {
        /// How bad it is.
        kind: MessageType,
        /// The sentence.
        text: String,
    },
    /// A text that the user asked to see.
    Show {
        /// What it is.
        title: String,
        /// The text.
        text: String,
    },
    /// Files whose diagnostics, lenses and hints may be others now.
    Changed {
        /// Their paths.
        files: BTreeSet<PathBuf>,
    },
    /// Lines of a file, and with them its diagnostics, may have moved.
    Moved {
        /// Its path.
        file: PathBuf,
        /// It was opened, closed or replaced: where the client has put what it keeps at its lines, nobody knows.
        replaced: bool,
    },
    /// An open document was edited: diagnostics and the tree follow when the user pauses.
    Edited {
        /// Its path.
        file: PathBuf,
        /// Lines were replaced.
        replaced: bool,
    },
    /// Work that the user can follow.
    Progress(Progress),
    /// Capabilities that are registered late.
    Register(Vec<Registration>),
    /// The settings of these folders are wanted from the client.
    AskSettings(Vec<String>),
    /// The client replied to the creation of a progress token.
    ProgressCreated {
        /// The token.
        token: String,
        /// It may be used.
        accepted: bool,
    },
    /// The client replied to all refreshes.
    Refreshed,
}

/// Work that the user can follow and cancel.
#[derive(Debug)]
pub(crate) enum Progress {
    /// It began.
    Begin {
        /// Names it.
        token: String,
        /// What it is.
        title: String,
    },
    /// It moved.
    Report {
        /// Names it.
        token: String,
        /// How far it is.
        message: String,
        /// The same as a number.
        percentage: Option<u32>,
    },
    /// It is over.
    End {
        /// Names it.
        token: String,
        /// What came of it.
        message: String,
    },
}

//! Messages from handlers and tasks to the publisher.

use std::collections::BTreeSet;
use std::path::PathBuf;

use lsp_types::{MessageType, Registration};
use pytest_lens_protocol::EventPayload;

/// A message for the client.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// An event of a folder, for a custom notification.
    Event {
        /// The folder's URI.
        workspace: String,
        /// Payload of the event.
        payload: EventPayload,
    },
    /// A sentence for the user.
    Message {
        /// Severity of the message.
        kind: MessageType,
        /// The sentence.
        text: String,
    },
    /// A text that the user requested.
    Show {
        /// Title of the text.
        title: String,
        /// The text.
        text: String,
    },
    /// Marks files whose diagnostics, lenses and hints must be republished.
    Changed {
        /// Paths of the files.
        files: BTreeSet<PathBuf>,
    },
    /// Lines of a file, and with them its diagnostics, may have moved.
    Moved {
        /// Path of the file.
        file: PathBuf,
        /// The file was opened, closed or replaced: the client's marks may be at any line.
        replaced: bool,
    },
    /// An open document was edited: diagnostics and the tree follow when the user pauses.
    Edited {
        /// Path of the document.
        file: PathBuf,
        /// The edit replaced lines.
        replaced: bool,
    },
    /// Work that the user can follow.
    Progress(Progress),
    /// Capabilities to register after `initialized`.
    Register(Vec<Registration>),
    /// Request the client's settings.
    AskSettings {
        /// The number of the request, which shows whether newer settings came before the answer.
        number: u64,
        /// The folders whose settings are requested.
        folders: Vec<String>,
    },
    /// The client replied to the creation of a progress token.
    ProgressCreated {
        /// The token.
        token: String,
        /// Whether the client accepted it.
        accepted: bool,
    },
    /// The client has replied to all refreshes.
    Refreshed,
}

/// Work that the user can follow and cancel.
#[derive(Debug)]
pub(crate) enum Progress {
    /// The work began.
    Begin {
        /// Token of the work.
        token: String,
        /// Title of the work.
        title: String,
    },
    /// The work advanced.
    Report {
        /// Token of the work.
        token: String,
        /// The progress, as a sentence.
        message: String,
        /// The progress in percent.
        percentage: Option<u32>,
    },
    /// The work is over.
    End {
        /// Token of the work.
        token: String,
        /// The result, as a sentence.
        message: String,
    },
}

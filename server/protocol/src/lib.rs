//! The wire types of the pytest-lens engine, and their framing.
//!
//! This is the leaf of the workspace: it defines messages and answers none. The engine, the daemon's clients, the
//! language server and the command line all speak in these types, in process and over the socket.
//!
//! The base of the protocol (names, fields and their order) is the message set of a pytest daemon, version 1; the docs
//! mark the requests that pytest-lens adds. Optional trailing fields that it adds to existing messages are left out of
//! the bytes when they are `None`, so the original bytes stay the same.
#![warn(unreachable_pub)]

mod activated;
mod codec;
mod control;
mod error;
mod event;
mod framing;
mod inventory;
mod macros;
mod node;
mod node_id;
mod outcome;
mod request;
mod response;
mod run;
mod settings;
mod timings;

pub use activated::Activated;
pub use codec::{FrameError, Shape, decode_request, decode_response, encode, encode_framed};
pub use control::{
    Artifact, Bytes, Case, CaseStatus, DebugFile, LaunchErrorCode, LogsIteratorOption, RunEvent, RunEventPayload,
    SchedulingOptions, SuiteEvent, SuiteEventPayload, SuiteOptions, SuiteSpec, SuiteStatus,
};
pub use error::{DecodeError, ErrorCode};
pub use event::{
    Event, EventPayload, Evidence, FailedReport, FileSkip, FileWarnings, FlakinessHints, Frame, Hint, NOT_COLLECTED,
    Output, OutputSection, OutputStream, PhaseDurations, PluginSummary, ReportStatus, RunCounts, RunEnd, RunEndStatus,
    RunStart, StaleOutcomes, Subtest, TestOutcome, TestOutcomes, TestsStarted, Warning,
};
pub use framing::{FrameReader, MAX_FRAME, Oversized, frame};
pub use inventory::{CollectError, InventoryDelta, ItemKind, Siblings, TestItem};
pub use node::{FlakinessInfo, Location, Position, Range, TestNodeInfo, TestResultInfo};
pub use node_id::NodeId;
pub use outcome::{Outcome, Phase, UnknownOutcome};
pub use request::Request;
pub use response::Response;
pub use run::{
    ImpactReason, NestedContext, NestedStatus, PastOutcome, ReachedFile, RunOptions, SessionExit, Source, TestImpact,
    UnknownSource,
};
pub use settings::{
    ClientSettings, CodeLensSettings, Executor, FixtureReuseSettings, FlakySettings, ImpactRecord, ImpactSettings,
    InlayHintSettings, Mistake, PartialSettings, RayConfig, RerunSettings, RunOnSave, Settings, WorkerCount,
};
pub use timings::{RunTimings, TimeKind, TimeSpent};

/// The version of the protocol that this crate speaks. A client that asks for another is refused.
pub const PROTOCOL_VERSION: u32 = 1;

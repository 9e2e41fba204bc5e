//! The messages between the engine and the driver of a Ray cluster, in addition to those of `worker_protocol`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::processes::worker_protocol::WorkerOptions;

/// The start message for the driver of a cluster, in its environment.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ClusterBoot {
    pub socket: String,
    pub token: String,
    pub host: String,
    pub root: String,
    pub cache_dir: String,
    pub tmp_dir: String,
    /// `HOST:PORT`; without one, the driver starts a cluster on this machine.
    pub address: Option<String>,
    /// Packages that Ray installs on the nodes.
    pub packages: Vec<String>,
}

/// The files of a project, by their changes from an earlier snapshot.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SnapshotChange {
    /// Its name, which its content determines.
    pub id: String,
    /// The earlier snapshot; empty: none.
    pub base: String,
    pub changed: BTreeMap<String, TreeEntry>,
    pub removed: Vec<String>,
}

/// A file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum TreeEntry {
    /// `"file"`, the SHA-256 of its content, whether it is executable.
    File(&'static str, String, bool),
    /// `"link"`, its target.
    Link(&'static str, String),
}

/// A runner on a node of a cluster.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RemoteOrder {
    pub host: String,
    /// The snapshot that it runs.
    pub snapshot: String,
    /// The collection may be forked.
    pub is_shared: bool,
    pub options: WorkerOptions,
    /// The variables of the project's interpreters.
    pub env: BTreeMap<String, String>,
    /// As in the start message of an interpreter.
    pub preload: Vec<String>,
    pub unfit: Vec<String>,
    /// The longest time for its collection, in seconds.
    pub collect_limit: f64,
}

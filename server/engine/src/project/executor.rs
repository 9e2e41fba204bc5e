//! Where the tests of a run run: on this machine, or on the nodes of a Ray cluster.

use std::path::PathBuf;
use std::sync::Arc;

use pytest_lens_protocol::{ErrorCode, Executor, RayConfig, Settings, WorkerCount};

use super::Project;
use super::plan_run::RunRequest;
use crate::api_error::{Refusal, invalid};
use crate::processes::blocking::blocking;
use crate::processes::collected_session::CollectedSession;
use crate::processes::ray_cluster::{RayCluster, RemoteSession};
use crate::runs::plan::{RemoteRun, RunKind};

/// The connection to a project's cluster, made by the first run that needs it.
#[derive(Default)]
pub(crate) struct ClusterConnection(tokio::sync::Mutex<Option<(PathBuf, Arc<RayCluster>)>>);

/// The cluster that a request wants; `None`: its tests run on this machine.
///
/// # Errors
///
/// The option names no executor.
pub(crate) fn cluster_of(option: Option<&str>, settings: &Settings) -> Result<Option<RayConfig>, Refusal> {
    let packages = settings.ray.packages.clone();
    match option.map(|option| option.split_once('=').map_or((option, None), |(name, place)| (name, Some(place)))) {
        None => Ok((settings.executor == Executor::Ray).then(|| settings.ray.clone())),
        Some(("local", None)) => Ok(None),
        Some(("ray", None)) => Ok(Some(settings.ray.clone())),
        Some(("ray", Some(address))) if !address.is_empty() => {
            Ok(Some(RayConfig { address: Some(address.to_owned()), packages }))
        }
        Some(_) => Err(invalid(format!(
            "field `options.executor`: {:?} is none; it is `local`, `ray` or `ray=HOST:PORT`",
            option.unwrap_or_default()
        ))),
    }
}

impl Project {
    /// The cluster that a request's tests run on. A debugger, and a run in this process's terminal, need this machine.
    pub(crate) fn wanted_cluster(&self, request: &RunRequest) -> Result<Option<RayConfig>, Refusal> {
        let wanted = cluster_of(request.options.executor.as_deref(), &self.state.settings.load())?;
        Ok(wanted.filter(|_| !self.pool.launcher.terminal))
    }

    /// Prepares a run on a cluster: connects to it, and takes a snapshot of the code. `None` if it must be one session,
    /// which runs on this machine.
    ///
    /// # Errors
    ///
    /// A sentence: there is no cluster, or the files change all the time.
    pub(crate) async fn remote_run(
        &self,
        wanted: Option<RayConfig>,
        request: &RunRequest,
        kind: &RunKind,
        collected: &CollectedSession,
    ) -> Result<Option<RemoteRun>, Refusal> {
        let Some(config) = wanted.filter(|_| !kind.is_one_session()) else { return Ok(None) };
        let failed = |message: String| Refusal::new(ErrorCode::InvalidRequest, message);
        let cluster = self.cluster(config).await.map_err(failed)?;
        let snapshot = cluster.snapshot().await.map_err(failed)?;
        tracing::info!(files = snapshot.files, bytes = snapshot.bytes, id = snapshot.id, "a snapshot for the cluster");
        let env = self.pool.launcher.env.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let (preload, unfit) = self.pool.preload();
        let session = RemoteSession {
            snapshot: snapshot.id,
            is_shared: collected.is_shared(),
            env,
            preload,
            unfit,
            collect_limit: self.collect_limit(),
        };
        let is_fixed = matches!(self.state.settings.load().workers, Some(WorkerCount::Fixed(_)));
        let grows = request.workers.is_none() && !is_fixed && !collected.one_controller;
        let address = cluster.config.address.as_deref().unwrap_or("this machine");
        let summary = format!(
            "ray: {} CPUs at {address} (Ray {}), {} files of {}",
            *cluster.cpus().borrow(),
            cluster.version,
            snapshot.files,
            size(snapshot.bytes)
        );
        Ok(Some(RemoteRun { cluster, session, summary, grows }))
    }

    async fn cluster(&self, config: RayConfig) -> Result<Arc<RayCluster>, String> {
        let mut connection = self.cluster.0.lock().await;
        let python = self.pool.launcher.python();
        if let Some((with, cluster)) = &*connection
            && *with == python
            && cluster.config == config
            && cluster.failure().is_none()
        {
            return Ok(Arc::clone(cluster));
        }
        // Two local clusters would share this machine's processors.
        *connection = None;
        let cluster = RayCluster::connect(&self.pool.launcher, self.state.root.clone(), config).await;
        let cluster = Arc::new(cluster.map_err(|error| error.to_string())?);
        *connection = Some((python, Arc::clone(&cluster)));
        Ok(cluster)
    }

    /// Leaves the cluster. Its actors end.
    pub(crate) async fn leave_cluster(&self) {
        self.cluster.0.lock().await.take();
    }
}

/// Whether a collection is as new as a snapshot that was just taken; otherwise select the tests again.
pub(crate) async fn has_present_code(collected: &Arc<CollectedSession>) -> bool {
    let collected = Arc::clone(collected);
    blocking(move || collected.has_present_code()).await.unwrap_or(false)
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "it is rounded anyway")]
    let bytes = bytes as f64;
    if bytes < 1e6 { format!("{:.1} kB", bytes / 1e3) } else { format!("{:.1} MB", bytes / 1e6) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_goes_over_the_settings() {
        let ray = |address: Option<&str>| RayConfig { address: address.map(str::to_owned), packages: Vec::new() };
        let local = Settings::default();
        let cluster = Settings { executor: Executor::Ray, ray: ray(Some("10.0.0.1:6379")), ..Settings::default() };
        let of = |option, settings| cluster_of(option, settings).map_err(|refusal| refusal.to_string());
        assert_eq!(of(None, &local), Ok(None));
        assert_eq!(of(None, &cluster), Ok(Some(ray(Some("10.0.0.1:6379")))));
        assert_eq!(of(Some("local"), &cluster), Ok(None));
        assert_eq!(of(Some("ray"), &local), Ok(Some(ray(None))));
        assert_eq!(of(Some("ray=h:1"), &cluster), Ok(Some(ray(Some("h:1")))));
        for wrong in ["ray=", "dask", "local=x"] {
            assert!(of(Some(wrong), &local).unwrap_err().contains(&format!("{wrong:?}")));
        }
    }
}

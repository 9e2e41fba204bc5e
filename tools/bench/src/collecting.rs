//! Collecting again after changes on the disk: of one file of a thousand, and of three hundred, as a change of branches
//! makes it.

use super::projects::Generated;
use super::socket::{Client, Daemon};
use super::{Bench, Figure, median, milliseconds};
use anyhow::{Result, bail};
use pytest_lens_protocol::{PROTOCOL_VERSION, Request, Response};
use std::fs;
use std::time::{Duration, Instant};

/// Both figures, over one daemon. Each change adds a test to each changed file, or takes it away.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let (files, changed, each) = bench.pick((1_000, 300, 20), (10, 3, 2));
    let (warm_up, rounds) = bench.pick((1, 5), (0, 2));
    let project = bench.plain("collecting", files, each)?;
    let daemon = Daemon::start(&bench.binary, &bench.state.join("collecting"))?;
    let mut scene = Scene::open(bench, &daemon, &project)?;
    let (mut one, mut many) = (Vec::new(), Vec::new());
    for round in 0..warm_up + rounds {
        let single = scene.change((files / 2)..(files / 2 + 1))?;
        let branch = scene.change(0..changed)?;
        if round >= warm_up {
            one.push(single);
            many.push(branch);
        }
    }
    let (one, many) = (milliseconds(median(one)), milliseconds(median(many)));
    let each = many / changed as f64;
    Ok(vec![
        Figure::limit(format!("collecting again, 1 file of {files} edited"), one, 100.0, "ms"),
        Figure::multiple(format!("the same, {changed} files changed: each, to the single one"), (each, one), 1.0, "ms")
            .next_to(format!("{one:.1} ms ({many:.0} ms in all)")),
    ])
}

/// A daemon's project whose files change.
struct Scene<'a> {
    client: Client,
    context_id: String,
    project: &'a Generated,
    /// The original text of each file.
    texts: Vec<String>,
    /// The files that have a test more.
    longer: Vec<bool>,
}

impl<'a> Scene<'a> {
    fn open(bench: &Bench, daemon: &Daemon, project: &'a Generated) -> Result<Self> {
        let mut client = Client::connect(&daemon.socket)?;
        let opened = client.ask(&Request::InitContext {
            protocol_version: PROTOCOL_VERSION,
            repo_path: project.root.to_string_lossy().into_owned(),
            python_path: Some(bench.venv.python().to_string_lossy().into_owned()),
            execution_mode: None,
            activated: None,
        })?;
        let Response::ContextReady { context_id, .. } = opened else { bail!("no context: {opened:?}") };
        let texts = (0..project.files).map(|file| Ok(fs::read_to_string(project.test_file(file))?));
        let texts = texts.collect::<Result<Vec<_>>>()?;
        let mut scene = Scene { client, context_id, project, texts, longer: vec![false; project.files] };
        scene.collect()?;
        Ok(scene)
    }

    /// The time from the last change of these files to the collected tests.
    fn change(&mut self, files: std::ops::Range<usize>) -> Result<Duration> {
        for file in files {
            self.longer[file] = !self.longer[file];
            let more = if self.longer[file] { "\n\ndef test_of_this_branch():\n    assert ledger\n" } else { "" };
            fs::write(self.project.test_file(file), self.texts[file].clone() + more)?;
        }
        let start = Instant::now();
        self.collect()?;
        Ok(start.elapsed())
    }

    /// Collects; the number of tests must be that of the present files.
    fn collect(&mut self) -> Result<()> {
        let request = Request::Collect { context_id: self.context_id.clone(), force: false };
        let expected = self.project.tests + self.longer.iter().filter(|longer| **longer).count();
        match self.client.ask(&request)? {
            Response::CollectionComplete { node_count, .. } if node_count == expected => Ok(()),
            other => bail!("{expected} tests were to be collected, but the answer is {other:?}"),
        }
    }
}

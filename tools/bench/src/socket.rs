//! Measures the daemon's socket: a ping against a bare echo over such a socket, and a whole large inventory against
//! encoding the same in memory.

use super::{Bench, Figure, median, milliseconds};
use anyhow::{Context, Result, bail};
use chores::process;
use pytest_lens_protocol::{FrameReader, PROTOCOL_VERSION, Request, Response, Shape, decode_response, encode_framed};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Both figures, over one daemon.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let daemon = Daemon::start(&bench.binary, &bench.state.join("socket"))?;
    let mut client = Client::connect(&daemon.socket)?;
    let pings = bench.pick(2_000, 10);
    Ok(vec![ping(&mut client, &bench.home.join("echo.sock"), pings)?, inventory(bench, &mut client)?])
}

fn ping(client: &mut Client, echo: &Path, pings: usize) -> Result<Figure> {
    let framed = encode_framed(&Request::Ping, Shape::Compact)?;
    let mut bare = bare_echo(echo, framed.len())?;
    let (mut own, mut other) = (Vec::new(), Vec::new());
    for _ in 0..pings {
        let start = Instant::now();
        client.exchange(&framed)?;
        own.push(start.elapsed());
        let start = Instant::now();
        bare.write_all(&framed)?;
        bare.read_exact(&mut vec![0; framed.len()])?;
        other.push(start.elapsed());
    }
    Ok(micro_figure("ping over the daemon's socket", median(own), median(other)))
}

fn micro_figure(what: &'static str, own: Duration, other: Duration) -> Figure {
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let figure = Figure::limit(what, micros(own), 100.0, "µs");
    figure.next_to(format!("{:.1} µs (echo)", micros(other)))
}

/// Sends back all bytes, in pieces of this size, from a thread of this process.
fn bare_echo(path: &Path, size: usize) -> Result<UnixStream> {
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path)?;
    std::thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else { return };
        let mut bytes = vec![0; size];
        while stream.read_exact(&mut bytes).is_ok() && stream.write_all(&bytes).is_ok() {}
    });
    Ok(UnixStream::connect(path)?)
}

fn inventory(bench: &Bench, client: &mut Client) -> Result<Figure> {
    let (files, rounds) = bench.pick((100, 9), (1, 1));
    let tests = files * 1_000;
    let root = project(&bench.home.join("cases"), files)?;
    let opened = client.ask(&Request::InitContext {
        protocol_version: PROTOCOL_VERSION,
        repo_path: root.to_string_lossy().into_owned(),
        python_path: Some(bench.venv.python().to_string_lossy().into_owned()),
        execution_mode: None,
        activated: None,
    })?;
    let Response::ContextReady { context_id, .. } = opened else { bail!("no context: {opened:?}") };
    let collected = client.ask(&Request::Collect { context_id: context_id.clone(), force: false })?;
    if !matches!(collected, Response::CollectionComplete { node_count, .. } if node_count == tests) {
        bail!("{tests} tests were to be collected, but the answer is {collected:?}");
    }
    let framed = encode_framed(&Request::GetInventory { context_id }, Shape::Named)?;
    let (mut own, mut other) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let start = Instant::now();
        let message = client.exchange(&framed)?;
        own.push(start.elapsed());
        let response = decode_response(&message).1?;
        let start = Instant::now();
        let length = encode_framed(&response, Shape::Named)?.len();
        other.push(start.elapsed());
        if length != message.len() + 4 {
            bail!("the inventory has {} bytes, and encoded again {length}", message.len() + 4);
        }
    }
    let what = format!("inventory of {tests} tests over the socket");
    let figure = Figure::limit(what, milliseconds(median(own)), 200.0, "ms");
    Ok(figure.next_to(format!("{:.1} ms (encoding)", milliseconds(median(other)))))
}

/// Files of a thousand cases.
fn project(root: &Path, files: usize) -> Result<PathBuf> {
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    fs::create_dir_all(root.join("tests"))?;
    let text =
        "import pytest\n\n\n@pytest.mark.parametrize(\"number\", range(1000))\ndef test_number(number):\n    pass\n";
    for file in 0..files {
        fs::write(root.join(format!("tests/test_part_{file:03}.py")), text)?;
    }
    Ok(root.to_path_buf())
}

/// A daemon of its own, ended when it is dropped.
pub(crate) struct Daemon {
    child: Child,
    /// Path of its socket.
    pub socket: PathBuf,
}

impl Daemon {
    /// Starts it, with folders of its own.
    pub(crate) fn start(binary: &Path, state: &Path) -> Result<Self> {
        if state.exists() {
            fs::remove_dir_all(state)?;
        }
        fs::create_dir_all(state)?;
        let socket = std::env::temp_dir().join(format!("lens-bench-{}.sock", std::process::id()));
        let mut command = Command::new(binary);
        process::clean_python(&mut command);
        command.arg("daemon").arg("--socket").arg(&socket);
        command.env("XDG_STATE_HOME", state).env("XDG_CACHE_HOME", state);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let told = child.stderr.take().context("the daemon has no standard error")?;
        let mut line = String::new();
        BufReader::new(told).read_line(&mut line)?;
        let daemon = Self { child, socket };
        if !line.contains("listening on") {
            bail!("the daemon did not start: {line}");
        }
        Ok(daemon)
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Requests its end, so that it ends its processes and removes its socket.
        let asked = Client::connect(&self.socket).and_then(|mut it| it.ask(&Request::Shutdown { context_id: None }));
        if asked.is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// One connection to a daemon.
pub(crate) struct Client {
    stream: UnixStream,
    reader: FrameReader,
}

impl Client {
    /// Connects.
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        Ok(Self { stream: UnixStream::connect(socket)?, reader: FrameReader::new() })
    }

    /// A request and its answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Response> {
        let message = self.exchange(&encode_framed(request, Shape::Compact)?)?;
        Ok(decode_response(&message).1?)
    }

    fn exchange(&mut self, framed: &[u8]) -> Result<Vec<u8>> {
        self.stream.write_all(framed)?;
        let mut chunk = vec![0; 256 * 1024];
        loop {
            if let Some(message) = self.reader.next_message()? {
                return Ok(message.to_vec());
            }
            match self.stream.read(&mut chunk)? {
                0 => bail!("the daemon has gone"),
                count => self.reader.push(&chunk[..count]),
            }
        }
    }
}

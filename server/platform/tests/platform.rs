//! The same expectations on every system: the engine's.
#![expect(clippy::unwrap_used, reason = "a panic in a helper of tests is a failed test")]

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pytest_lens_platform::processes::{ProcessHandle, children, is_stopped, set_own_group};
use pytest_lens_platform::stdio::OutputPipe;
use pytest_lens_platform::{files, private, sockets};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The program of the children below: it waits for the end of its input.
#[test]
#[ignore = "a program for other tests"]
fn waits_for_its_input() {
    println!("it waits");
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest).unwrap();
}

fn waiting() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "waits_for_its_input", "--ignored", "--nocapture"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

fn pid(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap()
}

#[test]
fn a_child_is_found_and_its_end_is_seen() {
    let mut child = waiting().spawn().unwrap();
    let pid = pid(&child);
    let own = i32::try_from(std::process::id()).unwrap();
    assert!(children(own).contains(&pid));
    let handle = ProcessHandle::of(pid).unwrap();
    assert!(!handle.is_over() && !is_stopped(pid));
    assert!(!handle.wait(Instant::now()));
    assert!(handle.kill());
    assert!(handle.wait(Instant::now() + Duration::from_secs(60)));
    child.wait().unwrap();
    assert!(handle.is_over());
}

#[tokio::test]
async fn the_end_of_a_process_wakes_who_waits_for_it() {
    let mut child = waiting().spawn().unwrap();
    let handle = ProcessHandle::of(pid(&child)).unwrap();
    drop(child.stdin.take());
    tokio::time::timeout(Duration::from_secs(60), handle.end()).await.unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn the_output_of_a_child_is_read_to_its_end() {
    let mut command = tokio::process::Command::from(waiting());
    set_own_group(&mut command);
    let mut child = command.spawn().unwrap();
    let mut pipe = OutputPipe::of_stdout(child.stdout.take().unwrap()).unwrap();
    drop(child.stdin.take());
    let (mut text, mut buffer) = (Vec::new(), [0; 64]);
    loop {
        pipe.readable().await.unwrap();
        match pipe.try_read(&mut buffer, false) {
            Ok(0) => break,
            Ok(length) => text.extend_from_slice(&buffer[..length]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    assert!(String::from_utf8(text).unwrap().contains("it waits"));
    child.wait().await.unwrap();
}

#[tokio::test]
async fn a_socket_connects_processes_of_one_user() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    assert_eq!(sockets::connect(&path).await.unwrap_err().kind(), ErrorKind::NotFound);
    let listener = sockets::listen(&path).unwrap();
    assert!(sockets::is_socket(&path, &fs::symlink_metadata(&path).unwrap()));
    let (near, far) = tokio::join!(sockets::connect(&path), sockets::accept(&listener));
    let (mut near, mut far) = (near.unwrap(), far.unwrap());
    sockets::check_own(&near).unwrap();
    near.write_all(b"ask").await.unwrap();
    let mut read = [0; 3];
    far.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"ask");
    drop(near);
    assert_eq!(far.read(&mut read).await.unwrap_or(0), 0);
    assert!(sockets::is_hung_up(&far));
    drop(listener);
    let other = folder.path().join("file");
    fs::write(&other, "text").unwrap();
    assert!(!sockets::is_socket(&other, &fs::symlink_metadata(&other).unwrap()));
}

#[tokio::test]
async fn a_worker_connects_to_its_address() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, address) = sockets::listen_for_workers(folder.path()).unwrap();
    assert!(address.starts_with(&*folder.path().to_string_lossy()) || address.starts_with("127.0.0.1:"), "{address}");
    drop(listener);
}

#[test]
fn a_replaced_file_is_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let file = private::file_options().write(true).create(true).truncate(true).open(&path).unwrap();
    assert!(files::leads_to(&path, &file));
    assert!(private::is_private(&file.metadata().unwrap()) && private::is_own(&file.metadata().unwrap()));
    fs::rename(&path, folder.path().join("other")).unwrap();
    assert!(!files::leads_to(&path, &file));
    File::create(&path).unwrap();
    assert!(!files::leads_to(&path, &file));
}

#[test]
fn times_of_files_are_those_of_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    let before = pytest_lens_platform::clock::disk_time();
    let path = folder.path().join("file");
    fs::write(&path, "text").unwrap();
    let data = fs::metadata(&path).unwrap();
    assert!(data.modified().unwrap() >= before);
    let modified = data.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(u128::try_from(files::modified_ns(&data)).unwrap(), modified.as_nanos());
    assert!(files::is_executable(&std::env::current_exe().unwrap()) && !files::is_executable(&path));
}

/// The program of the test below: it starts processes in groups of their own, and says so before each.
#[cfg(unix)]
#[tokio::test]
#[ignore = "a program for another test"]
async fn starts_many() {
    use tokio::signal::unix::{SignalKind, signal};

    // As a program does that puts the terminal in order before it stops.
    let _caught = signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw())).unwrap();
    for number in 0..300 {
        println!("it starts {number}");
        let mut command = tokio::process::Command::new("true");
        set_own_group(&mut command);
        let mut child = command.stdin(Stdio::null()).spawn().unwrap();
        child.wait().await.unwrap();
    }
}

#[cfg(unix)]
#[test]
fn ctrl_z_does_not_stop_a_process_that_is_being_started() {
    use std::io::BufRead as _;
    use std::os::unix::process::CommandExt as _;

    use rustix::process::{Pid, Signal, kill_process_group};

    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "starts_many", "--ignored", "--nocapture"]).process_group(0);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let group = Pid::from_child(&child);
    let output = std::io::BufReader::new(child.stdout.take().unwrap());
    let presses = std::thread::spawn(move || {
        for line in output.lines() {
            if line.unwrap().starts_with("it starts") {
                kill_process_group(group, Signal::TSTP).unwrap();
            }
        }
    });
    let handle = ProcessHandle::of(pid(&child)).unwrap();
    let ended = handle.wait(Instant::now() + Duration::from_secs(30));
    let _ = kill_process_group(group, Signal::KILL);
    assert!(ended, "a child that was stopped before it had a group of its own holds up who starts it");
    assert!(child.wait().unwrap().success());
    presses.join().unwrap();
}

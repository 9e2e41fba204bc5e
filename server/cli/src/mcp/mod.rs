//! `pytest-lens mcp`: a server of the Model Context Protocol on standard input and output, through which AI agents run
//! tests in a daemon's engine.

mod arguments;
mod daemon;
mod explain;
mod flaky;
mod follower;
mod impact;
mod list;
mod run;
mod server;
mod workplace;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pytest_lens_platform::signals;
use rmcp::ServiceExt;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::watch;

use crate::failure::{Failure, exit};
use daemon::Daemon;
use server::Server;
use workplace::Workplace;

/// Serves until the client leaves or the system ends the process. Runs that still go on end with it.
pub(crate) async fn serve(root: PathBuf, socket: Option<PathBuf>) -> Result<i32, Failure> {
    let mut signals = signals::listen()?;
    let (gone, client_left) = watch::channel(false);
    let workplace = Arc::new(Workplace::new(root, Daemon::new(socket)?, client_left));
    let ahead = Arc::clone(&workplace);
    // The first call waits for a warm interpreter otherwise. It also reports what went wrong here.
    tokio::spawn(async move { ahead.project().await.is_ok() });
    let (input, output) = rmcp::transport::stdio_pipes();
    let serving = async {
        // A client that leaves before its first request expects no answer.
        if let Ok(running) = Server::new(workplace).serve((UntilGone { input, gone }, output)).await {
            let _ = running.waiting().await;
        }
    };
    tokio::select! {
        () = serving => {}
        _ = signals.recv() => {}
    }
    Ok(exit::OK)
}

/// Standard input, whose end is announced: the SDK lets running tools finish first.
struct UntilGone<R> {
    input: R,
    gone: watch::Sender<bool>,
}

impl<R: AsyncRead + Unpin> AsyncRead for UntilGone<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.input).poll_read(context, buffer);
        let has_ended = match &result {
            Poll::Ready(Ok(())) => buffer.filled().len() == before && buffer.remaining() > 0,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        if has_ended {
            self.gone.send_replace(true);
        }
        result
    }
}

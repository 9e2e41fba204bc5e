//! `pytest-lens run --watch`: runs the tests, and then, again and again, those that changed files affect.

mod changes;
mod keys;
mod machine;
mod selection;
mod words;

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use pytest_lens_engine::{Call, Connect};
use pytest_lens_platform::keyboard::{FromTerminal, Keyboard};
use pytest_lens_platform::signals::{self, Signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::engine::client::Client;
use crate::failure::{Failure, exit};
use crate::options::arguments::Run;
use crate::options::selectors;
use crate::run::{self, Ended};
use crate::style::Style;
use crate::timing::AFTERMATH;
use changes::{Changed, Changes};
use keys::{Key, Keys};
use machine::{Action, Input, Machine, Scope, Screen};
use selection::Next;

/// Runs tests until the user quits; returns the last run's exit status.
pub(crate) async fn watch(
    connect: Arc<dyn Connect>,
    root: &Path,
    options: &Run,
    out: &mut dyn Write,
    style: Style,
) -> Result<i32, Failure> {
    // A mistake in the command line ends it; later the same files may be deleted and come back.
    selectors::node_ids(root, &options.selectors)?;
    let connect = LongLived(connect);
    let signals = signals::listen()?;
    let client = Client::open(&connect, root, options.mode.clone()).await?;
    let (sender, changed) = unbounded_channel();
    let own_session = Client::open(&connect, root, options.mode.clone()).await?;
    let following = tokio::spawn(Changes::begin(own_session, root).await?.follow(sender));
    let keyboard = Keyboard::open()?;
    let mut watch = Watch {
        connect,
        root,
        options,
        out,
        style: style.with_colour(options.output.color.as_deref()),
        client,
        sources: Sources {
            keyboard,
            keys: Keys::default(),
            pressed: VecDeque::new(),
            signals,
            changed,
            last_end: None,
        },
        has_begun: false,
    };
    let result = watch.until_quit().await;
    following.abort();
    result
}

/// An engine whose event log is longer than one run: each run reads it from its own beginning on.
struct LongLived(Arc<dyn Connect>);

impl Connect for LongLived {
    fn session(&self) -> Arc<dyn Call> {
        self.0.session()
    }

    fn is_shared(&self) -> bool {
        true
    }
}

/// All that something can come from.
struct Sources {
    keyboard: Option<Keyboard>,
    keys: Keys,
    /// Keys that were read together with one that is answered already.
    pressed: VecDeque<Key>,
    signals: UnboundedReceiver<Signal>,
    changed: UnboundedReceiver<Result<Changed, Failure>>,
    /// The end of the last run, if none is going on.
    last_end: Option<Instant>,
}

impl Sources {
    /// Waits for the next input.
    ///
    /// # Errors
    /// The engine is gone.
    async fn next(&mut self) -> Result<Input, Failure> {
        loop {
            if let Some(key) = self.pressed.pop_front() {
                return Ok(Input::Key(key));
            }
            let key = async {
                match &mut self.keyboard {
                    Some(keyboard) => keyboard.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(signal) = self.signals.recv() => return Ok(match signal {
                    Signal::Interrupt => Input::Interrupt,
                    Signal::Terminate => Input::Terminate,
                }),
                key = key => match key {
                    FromTerminal::Bytes(bytes) => self.pressed.extend(self.keys.read(&bytes)),
                    FromTerminal::Resumed => return Ok(Input::Resumed),
                    FromTerminal::Closed => {
                        self.keyboard = None;
                        return Ok(Input::Key(Key::End));
                    }
                },
                Some(changed) = self.changed.recv() => {
                    let Changed { files, everything } = changed?;
                    let near_run = self.last_end.is_none_or(|end| end.elapsed() < AFTERMATH);
                    return Ok(Input::Changed { files, everything, near_run });
                }
            }
        }
    }
}

struct Watch<'a> {
    connect: LongLived,
    root: &'a Path,
    options: &'a Run,
    out: &'a mut dyn Write,
    style: Style,
    client: Client,
    sources: Sources,
    /// A run has begun.
    has_begun: bool,
}

impl Watch<'_> {
    async fn until_quit(&mut self) -> Result<i32, Failure> {
        let (mut machine, mut actions) = Machine::new();
        loop {
            let mut next = None;
            for action in actions {
                match action {
                    Action::Run(scope) => next = Some(scope),
                    Action::Show(screen) => self.show(&screen, &machine)?,
                    Action::Quit => return Ok(machine.status()),
                    // Nothing runs.
                    Action::Stop | Action::Kill => {}
                }
            }
            actions = match next {
                Some(scope) => {
                    let status = self.run(&scope, &mut machine).await?;
                    machine.step(Input::Ended(status))
                }
                None => machine.step(self.sources.next().await?),
            };
        }
    }

    /// Runs a scope. Returns the exit status, if anything ran.
    async fn run(&mut self, scope: &Scope, machine: &mut Machine) -> Result<Option<i32>, Failure> {
        self.sources.last_end = None;
        let (sender, mut signals) = unbounded_channel();
        let (filters, is_aftermath) = (machine.filters().clone(), machine.is_aftermath());
        let (options, style) = (self.options, self.style);
        let Watch { connect, root, out, client, sources, has_begun, .. } = &mut *self;
        let running = async {
            match selection::next(client, root, options, scope, &filters, style).await? {
                Next::Run { mut options, heading } => {
                    // `--cache-clear` is for what ran before the first run.
                    let is_first = !std::mem::replace(has_begun, true);
                    options.cache_clear &= is_first;
                    // An empty line keeps the runs apart.
                    print(*out, &format!("{}{heading}", if is_first { "" } else { "\n" }))?;
                    run::once(connect, root, &options, *out, style, &mut signals).await
                }
                Next::Nothing(_) if is_aftermath => Ok(Ended::Empty(exit::OK)),
                Next::Nothing(why) => {
                    print(*out, &format!("{why}\n"))?;
                    Ok(Ended::Empty(exit::OK))
                }
            }
        };
        let mut shown = Vec::new();
        let ended = {
            let mut running = std::pin::pin!(running);
            loop {
                tokio::select! {
                    ended = &mut running => break ended,
                    input = sources.next() => pass_on(machine.step(input?), &sender, &mut shown),
                }
            }
        };
        for screen in shown {
            self.show(&screen, machine)?;
        }
        self.sources.last_end = Some(Instant::now());
        let status = match ended {
            Ok(Ended::Ran(status)) => Some(status),
            Ok(Ended::Empty(_)) => None,
            Err(Failure::Message { sentence, status }) => {
                // If standard error is closed, nobody reads it.
                let _ = writeln!(std::io::stderr(), "pytest-lens: {}", sentence.trim_end());
                Some(status)
            }
            Err(other) => return Err(other),
        };
        if *scope == Scope::All {
            selection::learn_imports(&self.client).await;
        }
        Ok(status)
    }

    fn show(&mut self, screen: &Screen, machine: &Machine) -> Result<(), Failure> {
        let text = words::screen(screen, machine.filters(), self.sources.keyboard.is_some(), self.style);
        print(self.out, &text)
    }
}

/// Passes on what a running run has to know, and keeps what is to be shown after it.
fn pass_on(actions: Vec<Action>, signals: &UnboundedSender<Signal>, shown: &mut Vec<Screen>) {
    for action in actions {
        // A run that has ended needs no signal.
        let _ = match action {
            Action::Stop => signals.send(Signal::Interrupt),
            Action::Kill => signals.send(Signal::Terminate),
            Action::Show(screen) => {
                shown.push(screen);
                Ok(())
            }
            Action::Run(_) | Action::Quit => Ok(()),
        };
    }
}

fn print(out: &mut dyn Write, text: &str) -> Result<(), Failure> {
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

//! The language server over an in-memory pipe, with a scripted engine behind it.
//!
//! The clock is paused: timers (batches, debounces) run out only when nothing else can happen, so that nothing depends
//! on how fast the machine is.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic here is a failed test")]

mod client;
mod commands;
mod confirmed;
mod documents;
mod engine;
mod events;
mod folders;
mod initialize;
mod lazy;
mod places;
mod plain;
mod runs;
mod settings_files;
mod tree;
mod wire;

use client::Client;

/// Three tests, and the positions that the checks use: line 7 asserts.
const SAMPLE: &str = "\
import pytest


def test_one():
    assert True


class TestGroup:
    def test_two(self):
        value = 1
        assert value == 2

    @pytest.mark.parametrize(\"n\", [1, 2, 3])
    def test_three(self, n):
        assert n
";

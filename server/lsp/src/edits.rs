//! Where a line of the file as it ran has gone in the live buffer: edits, as far as they move lines.

use std::collections::VecDeque;

/// One edit, as far as lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineEdit {
    /// First line that it touches.
    pub(crate) start: u32,
    /// Last line that it touches.
    pub(crate) end: u32,
    /// Line ends in what it puts there.
    pub(crate) inserted: u32,
    /// It ends at or before the first visible character of its last line: that line's content moves behind what is
    /// put in.
    pub(crate) moves_last: bool,
}

impl LineEdit {
    /// Whether any line can move.
    pub(crate) fn is_within_a_line(&self) -> bool {
        self.start == self.end && self.inserted == 0
    }

    /// Where a line is after the edit; a deleted one is where the deletion was.
    pub(crate) fn map(&self, line: u32) -> u32 {
        if line < self.start {
            line
        } else if line > self.end {
            line - (self.end - self.start) + self.inserted
        } else if line < self.end || (self.start == self.end && !self.moves_last) {
            self.start
        } else {
            self.start + self.inserted
        }
    }
}

/// The edits of an open document since it was last saved, and before that as long as a run may speak of them.
#[derive(Debug, Default)]
pub(crate) struct LineLog {
    edits: VecDeque<LineEdit>,
    dropped: usize,
    saved: usize,
}

impl LineLog {
    /// Takes note of an edit.
    pub(crate) fn push(&mut self, edit: LineEdit) {
        if !edit.is_within_a_line() {
            self.edits.push_back(edit);
        }
    }

    /// The disk now holds the live text.
    pub(crate) fn save(&mut self) {
        self.saved = self.now();
    }

    /// The version that the disk holds.
    pub(crate) fn saved(&self) -> usize {
        self.saved
    }

    /// The version that the buffer holds.
    pub(crate) fn now(&self) -> usize {
        self.dropped + self.edits.len()
    }

    /// Where a line of one version is in a later one.
    pub(crate) fn map(&self, line: u32, from: usize, to: usize) -> u32 {
        let from = from.max(self.dropped) - self.dropped;
        let to = to.clamp(self.dropped, self.now()) - self.dropped;
        self.edits.iter().take(to).skip(from).fold(line, |line, edit| edit.map(line))
    }

    /// Forgets what lies before a version.
    pub(crate) fn trim(&mut self, oldest: usize) {
        let oldest = oldest.min(self.saved);
        while self.dropped < oldest && self.edits.pop_front().is_some() {
            self.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn edit(start: u32, end: u32, inserted: u32, moves_last: bool) -> LineEdit {
        LineEdit { start, end, inserted, moves_last }
    }

    #[test]
    fn a_new_line_above_pushes_down() {
        let above = edit(3, 3, 1, true);
        assert_eq!([2, 3, 4].map(|line| above.map(line)), [2, 4, 5]);
    }

    #[test]
    fn a_new_line_behind_leaves_the_line() {
        let behind = edit(3, 3, 1, false);
        assert_eq!([2, 3, 4].map(|line| behind.map(line)), [2, 3, 5]);
    }

    #[test]
    fn deleted_lines_fall_together() {
        let deletion = edit(2, 5, 0, true);
        assert_eq!([1, 2, 3, 4, 5, 6].map(|line| deletion.map(line)), [1, 2, 2, 2, 2, 3]);
    }

    #[test]
    fn a_log_maps_between_its_versions() {
        let mut log = LineLog::default();
        log.push(edit(0, 0, 2, true));
        log.push(edit(1, 1, 0, false));
        log.save();
        log.push(edit(0, 0, 1, true));
        assert_eq!((log.saved(), log.now()), (1, 2));
        assert_eq!(log.map(5, 0, log.now()), 8);
        assert_eq!(log.map(5, log.saved(), log.now()), 6);
        log.trim(usize::MAX);
        assert_eq!(log.map(5, log.saved(), log.now()), 6);
        assert_eq!(log.map(5, 0, log.now()), 6);
    }
}

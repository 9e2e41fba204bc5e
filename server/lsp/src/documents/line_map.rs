//! Maps lines of one text of a file to lines of another by comparing the texts. So the map does not depend on who
//! changed the file, how, or how often.

use std::ops::Range;
use std::time::Instant;

use ropey::{Rope, RopeSlice};
use similar::{Algorithm, DiffOp, capture_diff_slices_deadline};

use crate::documents::encoding::narrow;
use crate::timing::COMPARE_LIMIT;

/// The largest rewritten part in which similar lines are matched.
const CELLS: usize = 40_000;

/// The most characters of a line that are compared with others.
const SIGNIFICANT: usize = 300;

/// The place of an old line in the new text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spot {
    /// The line, or its rewritten form, is here.
    Kept(u32),
    /// The line is gone; it was here.
    Gone(u32),
}

/// A map from the lines of one text to those of another.
#[derive(Debug)]
pub(crate) struct LineMap {
    /// Number of equal lines at the beginning.
    head: usize,
    /// The places of the other lines, by their index after `head`.
    middle: Vec<Spot>,
    /// Number of lines in the old text.
    old: usize,
    /// Number of lines in the new text.
    new: usize,
}

impl LineMap {
    /// Maps one text to another.
    pub(crate) fn between(old: RopeSlice<'_>, new: RopeSlice<'_>) -> Self {
        let (before, after) = (old.len_lines(), new.len_lines());
        let shorter = before.min(after);
        let head = old.lines().zip(new.lines()).take_while(|(a, b)| a == b).count();
        let ends = old.lines_at(before).reversed().zip(new.lines_at(after).reversed());
        let tail = ends.take(shorter - head.min(shorter)).take_while(|(a, b)| a == b).count();
        let middle = compare(&words(old, head..before - tail), &words(new, head..after - tail));
        let here = |line: u32| (line + narrow(head)).min(narrow(after.saturating_sub(1)));
        let placed = middle.into_iter().map(|spot| match spot {
            Spot::Kept(line) => Spot::Kept(here(line)),
            Spot::Gone(line) => Spot::Gone(here(line)),
        });
        LineMap { head, middle: placed.collect(), old: before, new: after }
    }

    /// The place of a line; one after the end maps to the end.
    pub(crate) fn get(&self, line: u32) -> Spot {
        let line = (line as usize).min(self.old.saturating_sub(1));
        if line < self.head {
            return Spot::Kept(narrow(line));
        }
        match self.middle.get(line - self.head) {
            Some(spot) => *spot,
            None => Spot::Kept(narrow(self.new.saturating_sub(self.old - line))),
        }
    }
}

/// Lines without their indentation and their ends, which do not identify a line.
fn words(text: RopeSlice<'_>, lines: Range<usize>) -> Vec<String> {
    let count = lines.len();
    text.lines_at(lines.start).take(count).map(|line| line.to_string().trim().to_owned()).collect()
}

/// The place of each old line among the new ones.
fn compare(old: &[String], new: &[String]) -> Vec<Spot> {
    let mut spots = Vec::with_capacity(old.len());
    let deadline = Instant::now().checked_add(COMPARE_LIMIT);
    for op in capture_diff_slices_deadline(Algorithm::Patience, old, new, deadline) {
        match op {
            DiffOp::Equal { new_index, len, .. } => {
                spots.extend((new_index..new_index + len).map(|line| Spot::Kept(narrow(line))));
            }
            DiffOp::Delete { old_len, new_index, .. } => {
                spots.extend((0..old_len).map(|_| Spot::Gone(narrow(new_index))));
            }
            DiffOp::Insert { .. } => {}
            DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                let (was, is) = (old.get(old_index..old_index + old_len), new.get(new_index..new_index + new_len));
                spots.extend(rewritten(was.unwrap_or_default(), is.unwrap_or_default(), new_index));
            }
        }
    }
    spots
}

/// Matches rewritten lines with the most similar ones, in order. A formatter splits one line into several, or joins
/// several into one.
fn rewritten(old: &[String], new: &[String], from: usize) -> Vec<Spot> {
    let last = new.len().saturating_sub(1);
    let place = |at: usize| Spot::Gone(narrow(from + at.min(last)));
    if old.len() * new.len() > CELLS {
        return (0..old.len()).map(place).collect();
    }
    let (was, is): (Vec<_>, Vec<_>) = (old.iter().map(|l| pairs(l)).collect(), new.iter().map(|l| pairs(l)).collect());
    let width = new.len();
    // The best score of the old lines from `i` on with the new ones from `j` on; both may share a new line.
    let mut best = vec![0_usize; (old.len() + 1) * (width + 1)];
    let cell = |i: usize, j: usize| i * (width + 1) + j;
    let worth: Vec<usize> = was.iter().flat_map(|a| is.iter().map(|b| similarity(a, b))).collect();
    let gain = |i: usize, j: usize| worth.get(i * width + j).copied().unwrap_or_default();
    let at = |best: &[usize], i, j| best.get(cell(i, j)).copied().unwrap_or_default();
    for i in (0..old.len()).rev() {
        for j in (0..width).rev() {
            let matched = match gain(i, j) {
                0 => 0,
                gain => gain + at(&best, i + 1, j),
            };
            let value = at(&best, i + 1, j).max(at(&best, i, j + 1)).max(matched);
            if let Some(slot) = best.get_mut(cell(i, j)) {
                *slot = value;
            }
        }
    }
    let mut spots: Vec<Spot> = (0..old.len()).map(place).collect();
    let (mut i, mut j) = (0, 0);
    while i < old.len() && j < width {
        let value = at(&best, i, j);
        if gain(i, j) > 0 && value == gain(i, j) + at(&best, i + 1, j) {
            if let Some(spot) = spots.get_mut(i) {
                *spot = Spot::Kept(narrow(from + j));
            }
            i += 1;
        } else if value == at(&best, i, j + 1) {
            j += 1;
        } else {
            i += 1;
        }
    }
    if old.len() == new.len() {
        // The number of lines is the same: each rewritten line maps to the one in its place.
        for (at, spot) in spots.iter_mut().enumerate().filter(|(_, spot)| matches!(spot, Spot::Gone(_))) {
            *spot = Spot::Kept(narrow(from + at));
        }
    }
    spots
}

/// The pairs of neighboring characters of a line, sorted; blanks and the kind of quotes don't count.
fn pairs(line: &str) -> Vec<(char, char)> {
    let told = line.chars().filter(|char| !char.is_whitespace()).map(|char| if char == '\'' { '"' } else { char });
    let told: Vec<char> = told.take(SIGNIFICANT).collect();
    let mut pairs: Vec<(char, char)> = told.iter().copied().zip(told.iter().copied().skip(1)).collect();
    pairs.sort_unstable();
    pairs
}

/// The similarity of two lines; 0 if they share less than most of the shorter one.
fn similarity(a: &[(char, char)], b: &[(char, char)]) -> usize {
    let (mut left, mut right) = (a.iter().peekable(), b.iter().peekable());
    let mut shared = 0;
    while let (Some(x), Some(y)) = (left.peek(), right.peek()) {
        match x.cmp(y) {
            std::cmp::Ordering::Less => drop(left.next()),
            std::cmp::Ordering::Greater => drop(right.next()),
            std::cmp::Ordering::Equal => {
                shared += 1;
                left.next();
                right.next();
            }
        }
    }
    if shared * 10 >= a.len().min(b.len()) * 6 { shared } else { 0 }
}

/// The places of a text's lines in another.
pub(crate) fn between(old: &Rope, new: &Rope) -> LineMap {
    LineMap::between(old.slice(..), new.slice(..))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(old: &str, new: &str) -> Vec<Spot> {
        let (old, new) = (Rope::from_str(old), Rope::from_str(new));
        let map = between(&old, &new);
        (0..old.len_lines()).map(|line| map.get(narrow(line))).collect()
    }

    /// The new lines of the old ones that still exist.
    fn kept(old: &str, new: &str) -> Vec<Option<u32>> {
        let line = |spot| match spot {
            Spot::Kept(line) => Some(line),
            Spot::Gone(_) => None,
        };
        map(old, new).into_iter().map(line).collect()
    }

    #[test]
    fn a_line_broken_before_its_content_moves_with_it() {
        assert_eq!(kept("def test():\n    assert 0\n", "def test():\n    x = 1\n    assert 0\n")[1], Some(2));
    }

    #[test]
    fn deleted_lines_are_gone_where_they_were() {
        let spots = map("a = 1\nb = 2\nc = 3\nd = 4\n", "a = 1\nd = 4\n");
        assert_eq!(spots[..4], [Spot::Kept(0), Spot::Gone(1), Spot::Gone(1), Spot::Kept(1)]);
        assert_eq!(map("a\nb\n", "")[0], Spot::Gone(0));
    }

    #[test]
    fn c2_a_formatter_breaks_joins_and_indents_lines() {
        let old = "def test():\n  x = [1,\n    2]\n  assert f(x,  'a')==1\n";
        let new = "def test():\n    x = [1, 2]\n    assert (\n        f(x, \"a\") == 1\n    )\n";
        assert_eq!(kept(old, new)[..4], [Some(0), Some(1), Some(1), Some(3)]);
    }

    #[test]
    fn a_line_that_is_edited_is_still_that_line() {
        let old = "def test():\n    x = 1\n    assert x == 1\n";
        assert_eq!(kept(old, "def test():\n    y = 22\n    fail()\n")[..3], [Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn two_distant_changes_leave_what_is_between_them() {
        let lines: Vec<String> = (0..50).map(|at| format!("line {at}\n")).collect();
        let mut new = lines.clone();
        new.insert(40, "new\n".into());
        new.insert(3, "new\n".into());
        let kept = kept(&lines.concat(), &new.concat());
        assert_eq!((kept[2], kept[20], kept[45]), (Some(2), Some(21), Some(47)));
    }

    proptest! {
        #[test]
        fn lines_outside_of_an_edit_keep_their_text(
            lines in proptest::collection::vec("[a-z]{1,6}", 3..12),
            from in 0usize..12,
            to in 0usize..12,
            new in proptest::collection::vec("[A-Z]{0,8}", 0..5),
        ) {
            // Each line is unlike all others, so that there is only one reading.
            let lines: Vec<String> = lines.iter().enumerate().map(|(at, line)| format!("{line}{at}\n")).collect();
            let (from, to) = (from.min(lines.len()), to.min(lines.len()));
            let (from, to) = (from.min(to), from.max(to));
            let mut edited = lines.clone();
            edited.splice(from..to, new.iter().map(|line| format!("{line}\n")));
            let text = Rope::from_str(&edited.concat());
            let spots = map(&lines.concat(), &edited.concat());
            for (at, line) in lines.iter().enumerate().filter(|(at, _)| *at < from || *at >= to) {
                let Spot::Kept(now) = spots[at] else { return Err(TestCaseError::fail("a line is gone")) };
                prop_assert_eq!(text.line(now as usize).to_string(), line.as_str());
            }
            // And back: the edit is undone.
            let back = map(&edited.concat(), &edited.concat());
            prop_assert!(back.iter().enumerate().all(|(at, spot)| *spot == Spot::Kept(narrow(at))));
        }

        #[test]
        fn no_line_is_beyond_the_text(old in "[ab\n]{0,30}", new in "[ab\n]{0,30}") {
            let end = narrow(Rope::from_str(&new).len_lines());
            for spot in map(&old, &new) {
                let (Spot::Kept(line) | Spot::Gone(line)) = spot;
                prop_assert!(line < end);
            }
        }
    }
}

//! Prints for chores: tables, durations and colors (colors only if a person watches).

use std::io::IsTerminal;
use std::time::Duration;

/// A color of the terminal's own palette.
#[derive(Clone, Copy)]
pub enum Colour {
    /// Something went right.
    Green,
    /// Something went wrong.
    Red,
    /// Something to notice.
    Yellow,
    /// Names and headings.
    Cyan,
    /// Less important text.
    Dim,
    /// The most important text.
    Bold,
}

/// The text in a color, or unchanged if standard output is no terminal or `NO_COLOR` is set.
pub fn paint(colour: Colour, text: &str) -> String {
    if !is_colourful() {
        return text.to_owned();
    }
    let code = match colour {
        Colour::Green => "32",
        Colour::Red => "31",
        Colour::Yellow => "33",
        Colour::Cyan => "36",
        Colour::Dim => "2",
        Colour::Bold => "1",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// Whether standard output takes colors.
pub fn is_colourful() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// A duration with the unit that suits its size: `820 us`, `14.2 ms`, `3.41 s`, `2 min 5 s`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.001 {
        format!("{:.0} us", seconds * 1e6)
    } else if seconds < 1.0 {
        format!("{:.1} ms", seconds * 1e3)
    } else if seconds < 60.0 {
        format!("{seconds:.2} s")
    } else {
        let whole = seconds.round() as u64;
        format!("{} min {} s", whole / 60, whole % 60)
    }
}

/// Lines up rows under a heading; the first column is left-aligned, the rest right-aligned.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = heading.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let mut text = String::new();
        for (column, (cell, width)) in cells.into_iter().zip(&widths).enumerate() {
            let gap = " ".repeat(width - cell.chars().count());
            match column {
                0 => text.push_str(&format!("{cell}{gap}")),
                _ => text.push_str(&format!("  {gap}{cell}")),
            }
        }
        text.trim_end().to_owned() + "\n"
    };
    let mut text = line(heading.to_vec());
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    text.push_str(&line(rules.iter().map(String::as_str).collect()));
    for row in rows {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_take_the_unit_that_suits() {
        let shown = |micros| duration(Duration::from_micros(micros));
        assert_eq!(shown(820), "820 us");
        assert_eq!(shown(14_200), "14.2 ms");
        assert_eq!(shown(3_410_000), "3.41 s");
        assert_eq!(shown(125_000_000), "2 min 5 s");
    }

    #[test]
    fn columns_line_up() {
        let rows = vec![vec!["toolz".to_owned(), "193".to_owned()], vec!["marshmallow".to_owned(), "1192".to_owned()]];
        let expected = "suite        tests\n-----------  -----\ntoolz          193\nmarshmallow   1192\n";
        assert_eq!(table(&["suite", "tests"], &rows), expected);
    }
}

//! Colors and separators for terminals, as pytest draws them.

use console::Term;

/// The look of standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether to use colors.
    pub colour: bool,
    /// Width of a line, in columns.
    pub width: usize,
    /// Whether it is a terminal, where a person watches.
    pub is_terminal: bool,
}

/// The color of a text, by its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Success.
    Green,
    /// Failure.
    Red,
    /// Neither.
    Yellow,
    /// A heading.
    Bold,
}

/// The names that pytest's terminal writer knows.
const MARKUP: [(&str, u8); 20] = [
    ("black", 30),
    ("red", 31),
    ("green", 32),
    ("yellow", 33),
    ("blue", 34),
    ("purple", 35),
    ("cyan", 36),
    ("white", 37),
    ("Black", 40),
    ("Red", 41),
    ("Green", 42),
    ("Yellow", 43),
    ("Blue", 44),
    ("Purple", 45),
    ("Cyan", 46),
    ("White", 47),
    ("bold", 1),
    ("light", 2),
    ("blink", 5),
    ("invert", 7),
];

impl Style {
    /// The style for pipes and files: no color, 80 columns.
    pub(crate) const PLAIN: Style = Style { colour: false, width: 80, is_terminal: false };

    /// The style for standard output, by the variables that pytest reads.
    pub(crate) fn of_stdout() -> Self {
        let terminal = Term::stdout();
        let is_terminal = terminal.is_term();
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let columns = is_terminal.then(|| usize::from(terminal.size().1));
        Style {
            colour: uses_colour(is_terminal, &variable),
            width: width(columns, variable("COLUMNS").as_deref()),
            is_terminal,
        }
    }

    /// Sets the use of colors as `--color` says.
    pub(crate) fn with_colour(self, when: Option<&str>) -> Self {
        Style {
            colour: match when {
                Some("yes") => true,
                Some("no") => false,
                _ => self.colour,
            },
            ..self
        }
    }

    /// Adds the color to a text.
    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Green => "32",
            Paint::Red => "31",
            Paint::Yellow => "33",
            Paint::Bold => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Adds pytest's markup to a text, by its names; a capital begins the name of a background. Others are ignored.
    pub(crate) fn mark_up(self, names: &[String], text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let codes = names.iter().filter_map(|name| MARKUP.iter().find(|(known, _)| known == name));
        let begin: String = codes.map(|(_, code)| format!("\x1b[{code}m")).collect();
        if begin.is_empty() { text.to_owned() } else { format!("{begin}{text}\x1b[0m") }
    }

    /// A separator as wide as the screen, with a title in its middle.
    pub(crate) fn rule(self, fill: char, title: &str) -> String {
        let room = self.width.saturating_sub(console::measure_text_width(title) + 2);
        let side = (room / 2).max(1);
        let bar: String = std::iter::repeat_n(fill, side).collect();
        let rest = if room > 2 * side { fill.to_string() } else { String::new() };
        format!("{bar} {title} {bar}{rest}")
    }
}

/// Whether to use colors, in pytest's order of the variables.
fn uses_colour(is_terminal: bool, variable: &dyn Fn(&str) -> Option<String>) -> bool {
    match variable("PY_COLORS").as_deref() {
        Some("1") => true,
        Some("0") => false,
        _ if variable("NO_COLOR").is_some() => false,
        _ if variable("FORCE_COLOR").is_some() => true,
        _ => is_terminal && variable("TERM").is_none_or(|term| term != "dumb"),
    }
}

/// The width of a line, as Python's `shutil.get_terminal_size` finds it. A width that fits nothing is none.
fn width(columns: Option<usize>, variable: Option<&str>) -> usize {
    let given = variable.and_then(|given| given.parse().ok()).filter(|given| *given > 0);
    given.or(columns).filter(|width| *width >= 40).unwrap_or(Style::PLAIN.width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn colors_are_used_as_pytest_uses_them() {
        let uses = |is_terminal: bool, set: &str| {
            let variable = |name: &str| {
                set.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
            };
            uses_colour(is_terminal, &variable)
        };
        assert!(uses(true, "") && !uses(false, ""));
        assert!(uses(true, "TERM=xterm") && !uses(true, "TERM=dumb"));
        assert!(uses(false, "FORCE_COLOR=1") && uses(true, "FORCE_COLOR=1 TERM=dumb"));
        assert!(!uses(true, "NO_COLOR=1 FORCE_COLOR=1"));
        assert!(uses(false, "PY_COLORS=1 NO_COLOR=1") && !uses(true, "PY_COLORS=0 FORCE_COLOR=1"));
        assert!(uses(true, "PY_COLORS=2"));
    }

    #[test]
    fn the_width_is_the_one_that_python_finds() {
        assert_eq!((width(None, None), width(Some(120), None), width(None, Some("200"))), (80, 120, 200));
        assert_eq!((width(Some(120), Some("60")), width(Some(30), None), width(Some(50), Some("x"))), (60, 80, 50));
    }

    proptest! {
        #[test]
        fn a_rule_fills_the_line(title in "[a-z ]{1,100}", width in 40..200usize) {
            let rule = Style { width, ..Style::PLAIN }.rule('=', &title);
            let expected = width.max(title.len() + 4);
            prop_assert_eq!(rule.len(), expected);
        }
    }

    #[test]
    fn colour_only_where_it_may_be() {
        let names = ["purple", "bold", "loud"].map(str::to_owned);
        assert_eq!(Style::PLAIN.mark_up(&names, "x"), "x");
        assert_eq!(Style { colour: true, ..Style::PLAIN }.mark_up(&names, "x"), "\x1b[35m\x1b[1mx\x1b[0m");
        assert_eq!(Style::PLAIN.paint(Paint::Red, "x"), "x");
        assert_eq!(Style { colour: true, ..Style::PLAIN }.paint(Paint::Red, "x"), "\x1b[31mx\x1b[0m");
    }
}

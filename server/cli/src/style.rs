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

impl Style {
    /// The style for pipes and files: no color, 80 columns.
    pub(crate) const PLAIN: Style = Style { colour: false, width: 80, is_terminal: false };

    /// The style for standard output. Honors `NO_COLOR` and `FORCE_COLOR`.
    pub(crate) fn of_stdout() -> Self {
        let terminal = Term::stdout();
        let is_terminal = terminal.is_term();
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let can_colour = is_terminal && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let colour = !is_set("NO_COLOR") && (can_colour || is_set("FORCE_COLOR"));
        let width = if is_terminal { usize::from(terminal.size().1).max(40) } else { Self::PLAIN.width };
        Style { colour, width, is_terminal }
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

    /// A separator as wide as the screen, with a title in its middle.
    pub(crate) fn rule(self, fill: char, title: &str) -> String {
        let room = self.width.saturating_sub(console::measure_text_width(title) + 2);
        let side = (room / 2).max(1);
        let bar: String = std::iter::repeat_n(fill, side).collect();
        let rest = if room > 2 * side { fill.to_string() } else { String::new() };
        format!("{bar} {title} {bar}{rest}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        assert_eq!(Style::PLAIN.paint(Paint::Red, "x"), "x");
        assert_eq!(Style { colour: true, ..Style::PLAIN }.paint(Paint::Red, "x"), "\x1b[31mx\x1b[0m");
    }
}

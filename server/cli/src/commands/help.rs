//! `pytest-lens help`, `completions` and `man`: what the command line says about itself.

use std::io::Write;

use clap_complete::Shell;

use crate::failure::{Failure, exit};
use crate::options::parse;
use crate::style::{Paint, Style};
use crate::suggest;

/// The topics: name, and text of plain Markdown.
const TOPICS: [(&str, &str); 8] = [
    ("selection", include_str!("help/selection.md")),
    ("affected", include_str!("help/affected.md")),
    ("watch", include_str!("help/watch.md")),
    ("parallel", include_str!("help/parallel.md")),
    ("flaky-tests", include_str!("help/flaky-tests.md")),
    ("engine", include_str!("help/engine.md")),
    ("configuration", include_str!("help/configuration.md")),
    ("ci", include_str!("help/ci.md")),
];

/// Lines are no longer than this, however wide the terminal: long lines are hard to read.
const MAX_WIDTH: usize = 100;

/// Prints the help of a command or topic, or of everything.
pub(crate) fn help(words: &[String], out: &mut dyn Write, style: Style) -> Result<i32, Failure> {
    let topic = TOPICS.iter().find(|(name, _)| matches!(words, [word] if word == name));
    let text = match topic {
        Some((_, text)) => page(text, style),
        None => {
            let styled = command_of(words)?.render_help();
            let text = if style.colour { styled.ansi().to_string() } else { styled.to_string() };
            if words.is_empty() { text + &topics(style) } else { text }
        }
    };
    out.write_all(text.as_bytes())?;
    Ok(exit::OK)
}

/// Prints a shell's script.
pub(crate) fn completions(shell: Shell, out: &mut dyn Write) -> Result<i32, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut parse::shown_command(), "pytest-lens", &mut script);
    out.write_all(&script)?;
    Ok(exit::OK)
}

/// Prints a manual page, in roff.
pub(crate) fn manual(words: &[String], out: &mut dyn Write) -> Result<i32, Failure> {
    let command = command_of(words)?;
    let title = ["pytest-lens"].into_iter().chain(words.iter().map(String::as_str)).collect::<Vec<_>>().join("-");
    let mut page = Vec::new();
    clap_mangen::Man::new(command).title(title).render(&mut page)?;
    out.write_all(&page)?;
    Ok(exit::OK)
}

/// The command that these words name.
fn command_of(words: &[String]) -> Result<clap::Command, Failure> {
    let mut command = parse::shown_command();
    let mut path = vec!["pytest-lens".to_owned()];
    for word in words {
        let Some(next) = command.find_subcommand(word) else {
            let known = command.get_subcommands().map(clap::Command::get_name);
            let known: Vec<&str> = known.chain(TOPICS.iter().map(|(name, _)| *name)).collect();
            let meant = suggest::did_you_mean(suggest::nearest(word, known));
            let advice = if meant.is_empty() { "; see `pytest-lens help`" } else { &meant };
            return Err(Failure::usage(format!("there is no command or topic `{word}`{advice}")));
        };
        path.push(word.clone());
        command = next.clone();
    }
    Ok(command.bin_name(path.join(" ")).display_name(path.join(" ")))
}

/// The list of topics.
fn topics(style: Style) -> String {
    let mut text = format!("\n{}\n", style.paint(Paint::Bold, "Topics (`pytest-lens help TOPIC`):"));
    for (name, page) in TOPICS {
        let title = page.lines().next().unwrap_or_default().trim_start_matches("# ");
        text.push_str(&format!("  {name:13}  {title}\n"));
    }
    text
}

/// A topic's text for a terminal: paragraphs wrapped, examples as they are.
fn page(markdown: &str, style: Style) -> String {
    let width = style.width.min(MAX_WIDTH);
    let mut text = String::new();
    for block in markdown.split("\n\n") {
        if !text.is_empty() {
            text.push('\n');
        }
        if let Some(title) = block.strip_prefix("# ") {
            let mut lines = String::new();
            wrap(&mut lines, title, width);
            text.push_str(&style.paint(Paint::Bold, lines.trim_end()));
            text.push('\n');
        } else if block.starts_with("    ") {
            text.push_str(block.trim_end());
            text.push('\n');
        } else {
            wrap(&mut text, block, width);
        }
    }
    text
}

/// Adds a paragraph in lines of at most `width` columns, unless a word is longer.
fn wrap(text: &mut String, paragraph: &str, width: usize) {
    let mut column = 0;
    for word in paragraph.split_whitespace() {
        let length = console::measure_text_width(word);
        if column > 0 && column + 1 + length > width {
            text.push('\n');
            column = 0;
        }
        if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    fn printed(words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let mut out = Vec::new();
        match help(&words, &mut out, Style::PLAIN) {
            Ok(_) => String::from_utf8(out).unwrap(),
            Err(Failure::Message { sentence, status: 4 }) => sentence,
            Err(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn every_topic_is_listed_and_fits_any_width() {
        let all = printed(&[]);
        for (name, text) in TOPICS {
            assert!(all.contains(&format!("\n  {name} ")), "{name}: {all}");
            assert!(text.starts_with("# ") && text.ends_with('\n'), "{name}");
            for width in [40, 80, 200] {
                let page = page(text, Style { width, ..Style::PLAIN });
                let prose = page.lines().filter(|line| !line.starts_with("    "));
                assert!(prose.clone().all(|line| line.len() <= width.min(MAX_WIDTH)), "{name}: {page}");
            }
        }
    }

    #[test]
    fn commands_have_their_help() {
        assert!(printed(&["run"]).contains("Usage: pytest-lens run"));
        assert!(printed(&["history", "import"]).contains("Usage: pytest-lens history import"));
        assert!(!printed(&["run"]).contains("pytest-argument"));
        assert_eq!(printed(&["selction"]), "there is no command or topic `selction`; did you mean `selection`?");
        assert_eq!(printed(&["xyzzy"]), "there is no command or topic `xyzzy`; see `pytest-lens help`");
    }

    #[test]
    fn every_shell_has_a_script_and_every_command_a_page() {
        for shell in Shell::value_variants() {
            let mut out = Vec::new();
            completions(*shell, &mut out).unwrap();
            let script = String::from_utf8(out).unwrap();
            assert!(script.contains("affected") && script.contains("doctor"), "{shell}");
            assert!(!script.contains("pytest-argument"), "{shell}");
        }
        for command in parse::shown_command().get_subcommands() {
            let mut out = Vec::new();
            manual(&[command.get_name().to_owned()], &mut out).unwrap();
            let page = String::from_utf8(out).unwrap();
            let title = format!(".TH pytest-lens-{}", command.get_name());
            assert!(page.contains(&title), "{page}");
        }
    }
}

//! Whether an AI agent reads what `run` prints.

use super::arguments::Run;

/// Variables that agents set for the commands that they start. Those that a person's terminal in the same program has as
/// well are not among them.
const OF_AGENTS: [&str; 17] = [
    "AI_AGENT",
    "AGENT",
    "CLAUDECODE",
    "CLAUDE_CODE",
    "CODEX_SANDBOX",
    "CODEX_CI",
    "CODEX_THREAD_ID",
    "CURSOR_AGENT",
    "GEMINI_CLI",
    "OPENCODE",
    "OPENCODE_CLIENT",
    "AUGMENT_AGENT",
    "GOOSE_TERMINAL",
    "CLINE_ACTIVE",
    "COPILOT_CLI",
    "AMP_CURRENT_THREAD_ID",
    "ANTIGRAVITY_AGENT",
];

/// Whether the user asked for the form for agents, or an agent started the command and asked for no other form.
/// `variable` returns the value of an environment variable.
pub(crate) fn is_for_agent(options: &Run, variable: impl Fn(&str) -> Option<String>) -> bool {
    match options.reporter.as_deref() {
        Some(reader) => reader == "agent",
        None => {
            let output = &options.output;
            let wants_other = options.json
                || options.has_terminal
                || output.level() > 0
                || output.letters.is_some()
                || output.durations.is_some()
                || output.timings
                || output.show_capture.is_some();
            let is_set = |name: &&str| variable(name).is_some_and(|value| !matches!(value.trim(), "" | "0" | "false"));
            !wants_other && OF_AGENTS.iter().any(is_set)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::arguments::Command;
    use crate::options::parse::parse;

    fn for_agent(line: &str, set: &[(&str, &str)]) -> bool {
        let words = format!("pytest-lens run {line}");
        let Ok(Command::Run(run)) = parse(words.split_whitespace().map(Into::into)) else { panic!("{line}") };
        let value = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        is_for_agent(&run, value)
    }

    #[test]
    fn an_agent_is_known_by_its_variables() {
        assert!(!for_agent("", &[]));
        for name in OF_AGENTS {
            assert!(for_agent("", &[(name, "1")]), "{name}");
        }
        assert!(!for_agent("", &[("CLAUDECODE", ""), ("AGENT", "0"), ("AI_AGENT", "false"), ("CURSOR_TRACE_ID", "x")]));
    }

    #[test]
    fn what_was_asked_for_counts_more() {
        let agent = [("CLAUDECODE", "1")];
        assert!(for_agent("--reporter agent", &[]) && for_agent("--reporter=agent -v", &[]));
        for other in ["--reporter terminal", "--json", "-v", "-rA", "--durations=3", "--timings", "--show-capture=log"]
        {
            assert!(!for_agent(other, &agent), "{other}");
        }
        assert!(for_agent("-q --tb=short -x", &agent));
    }
}

//! Separates pytest's `-v` and `-q` from the arguments that may change which tests there are and how they end.

/// The other arguments.
pub(crate) fn without(arguments: &[String]) -> impl Iterator<Item = &String> {
    arguments.iter().filter(|argument| !is_verbosity(argument))
}

/// Whether an argument only changes how much pytest prints.
fn is_verbosity(argument: &str) -> bool {
    argument.strip_prefix('-').is_some_and(|letters| {
        !letters.is_empty()
            && (letters.chars().all(|letter| letter == 'v') || letters.chars().all(|letter| letter == 'q'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_verbosity_is_left_out() {
        let arguments = ["-q", "-vv", "-qv", "-", "-k", "q", "--quiet-log"].map(str::to_owned);
        assert_eq!(without(&arguments).collect::<Vec<_>>(), ["-qv", "-", "-k", "q", "--quiet-log"]);
    }
}

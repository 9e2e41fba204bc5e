//! "Did you mean": finds the known word that is nearest to an unknown one.

/// The known word that is nearest, if it is near enough to be a typing error.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 4);
    let near = known.into_iter().map(|known| (strsim::damerau_levenshtein(word, known), known));
    near.filter(|(distance, _)| (1..=limit).contains(distance))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f4_what_was_meant() {
        let known = ["run", "list", "history"];
        assert_eq!(nearest("rnu", known), Some("run"));
        assert_eq!(nearest("histroy", known), Some("history"));
        assert_eq!(nearest("doctor", known), None);
        assert_eq!(nearest("run", known), None, "what is known is not meant to be another");
    }
}

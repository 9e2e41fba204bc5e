//! Settings as one place gives them: a client, or a project's file. Several are merged key by key, and what none of them
//! gives has its default.

use serde_json::{Map, Value, json};

use super::Settings;

/// The valid settings of one place, by the names of [`Settings`]' JSON; keys that it does not give are absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PartialSettings(Map<String, Value>);

/// A value that can't be used. Its setting is as if it were not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The setting, with the index of an element: `rerun.maxReruns`, `arguments[1]`; empty for the whole.
    pub key: String,
    /// The fault, and the expected form.
    pub reason: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Mistake { key, reason } = self;
        if key.is_empty() {
            return f.write_str(reason);
        }
        write!(f, "setting `pytestLens.{key}`: {reason}; correct it, until then it counts as not set")
    }
}

impl Settings {
    /// Reads settings from JSON: keys that are absent, null or wrong have their defaults.
    #[must_use]
    pub fn from_json(value: &Value) -> (Self, Vec<Mistake>) {
        let (given, mistakes) = PartialSettings::read(value);
        (given.complete(), mistakes)
    }

    /// The JSON of all defaults: it has every key, and null or an empty object if there is no default.
    #[must_use]
    pub fn all_keys() -> Map<String, Value> {
        match serde_json::to_value(Settings::default()) {
            Ok(Value::Object(keys)) => keys,
            _ => Map::new(),
        }
    }
}

impl PartialSettings {
    /// Reads settings from JSON. Null is as good as absent; a wrong value is reported and left out, and the others are
    /// kept. Unknown keys are left out: they may be settings of the client itself.
    #[must_use]
    pub fn read(value: &Value) -> (Self, Vec<Mistake>) {
        let mut mistakes = Vec::new();
        let mut good = Map::new();
        let known = Settings::all_keys();
        match value {
            Value::Null => {}
            Value::Object(given) => {
                for (key, value) in given.iter().filter(|(key, _)| known.contains_key(*key)) {
                    take_key(&mut good, key, value, &mut mistakes);
                }
            }
            other => mistakes.push(Mistake {
                key: String::new(),
                reason: format!("the settings must be an object, not {other}; they count as not set"),
            }),
        }
        (PartialSettings(good), mistakes)
    }

    /// These settings, and those of `lower` that are not given here.
    #[must_use]
    pub fn over(&self, lower: &PartialSettings) -> Self {
        let mut merged = lower.0.clone();
        put_over(&mut merged, &self.0);
        PartialSettings(merged)
    }

    /// Only the settings with these names.
    #[must_use]
    pub fn only(&self, names: &[&str]) -> Self {
        let kept = self.0.iter().filter(|(name, _)| names.contains(&name.as_str()));
        PartialSettings(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// Every setting: those that are not given have their defaults.
    #[must_use]
    pub fn complete(&self) -> Settings {
        serde_json::from_value(self.to_json()).unwrap_or_default()
    }

    /// The settings as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// Whether nothing is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a dotted key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let mut names = key.split('.');
        let first = self.0.get(names.next()?)?;
        names.try_fold(first, |value, name| value.get(name))
    }
}

/// The settings of a client: what its user set, and the client's own defaults, which are its JSON's `defaults`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClientSettings {
    /// The values that the user set; they go over the project's files.
    pub given: PartialSettings,
    /// The values in this client if neither the user nor the project's files say otherwise.
    pub defaults: PartialSettings,
}

impl ClientSettings {
    /// Reads settings from JSON; a wrong value is reported and left out.
    #[must_use]
    pub fn read(value: &Value) -> (Self, Vec<Mistake>) {
        let (given, mut mistakes) = PartialSettings::read(value);
        let (defaults, more) = PartialSettings::read(value.get(DEFAULTS).unwrap_or(&Value::Null));
        mistakes.extend(more);
        (ClientSettings { given, defaults }, mistakes)
    }

    /// Whether JSON has the name of a setting among its keys.
    #[must_use]
    pub fn is_given_in(value: &Value) -> bool {
        let known = Settings::all_keys();
        value.as_object().is_some_and(|given| given.keys().any(|key| key == DEFAULTS || known.contains_key(key)))
    }

    /// The user's settings over those of the project's files over the client's defaults.
    #[must_use]
    pub fn with_file(&self, file: &PartialSettings) -> PartialSettings {
        self.given.over(file).over(&self.defaults)
    }

    /// The settings as JSON, which [`ClientSettings::read`] reads.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut all = self.given.0.clone();
        if !self.defaults.is_empty() {
            all.insert(DEFAULTS.to_owned(), self.defaults.to_json());
        }
        Value::Object(all)
    }
}

const DEFAULTS: &str = "defaults";

fn put_over(lower: &mut Map<String, Value>, upper: &Map<String, Value>) {
    for (key, value) in upper {
        match (lower.get_mut(key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => put_over(below, above),
            _ => {
                lower.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Takes one top-level key if its value has the right type.
fn take_key(good: &mut Map<String, Value>, key: &str, value: &Value, mistakes: &mut Vec<Mistake>) {
    let value = without_nulls(value);
    if value.is_null() {
        return;
    }
    let Err(mistake) = check(json!({ key: value })) else {
        good.insert(key.to_owned(), value);
        return;
    };
    let Value::Object(inner) = value else {
        mistakes.push(mistake);
        return;
    };
    // Reads each value by itself: a wrong one is reported, and the others are kept.
    let before = mistakes.len();
    let mut kept = Map::new();
    for (name, value) in inner {
        match check(json!({ key: { name.clone(): value } })) {
            Ok(()) => {
                kept.insert(name, value);
            }
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if check(json!({ key: kept })).is_ok() {
        good.insert(key.to_owned(), Value::Object(kept));
    } else {
        // The schema expects no object here: one sentence is enough.
        mistakes.truncate(before);
        mistakes.push(mistake);
    }
}

/// Checks whether these settings can be read; returns the mistake otherwise.
fn check(settings: Value) -> Result<(), Mistake> {
    let read: Result<Settings, _> = serde_path_to_error::deserialize(settings);
    read.map(|_| ()).map_err(|error| {
        let key = error.path().to_string();
        Mistake { key, reason: in_plain_words(&error.into_inner().to_string()) }
    })
}

/// The reason without the names of Rust's types.
fn in_plain_words(reason: &str) -> String {
    const WORDS: [(&str, &str); 7] = [
        ("expected u32", "expected a whole number of at least 0"),
        ("expected u64", "expected a whole number of at least 0"),
        ("expected f64", "expected a number"),
        ("expected a sequence", "expected a list"),
        ("expected a map", "expected an object"),
        ("invalid type: map", "invalid type: object"),
        ("invalid type: sequence", "invalid type: list"),
    ];
    let mut reason = WORDS.iter().fold(reason.to_owned(), |reason, (from, to)| reason.replace(from, to));
    if let Some(at) = reason.find("expected struct ") {
        reason.truncate(at);
        reason.push_str("expected an object");
    }
    reason
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect(),
        other => other.clone(),
    }
}

//! The settings of pytest-lens in a project's own files: `pytest-lens.toml`, or `[tool.pytest-lens]` in `pyproject.toml`.
//!
//! This is the one place that reads them, for every client. A mistake costs its own setting, and is one sentence.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::Path;

use pytest_lens_protocol::{Mistake, PartialSettings, Settings};
use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use crate::listing::{read_file, unmatched_projects};
use crate::nearest::nearest;

/// The names of the files in a root that may hold its settings. The first one that holds any counts, alone.
pub const SETTINGS_FILES: [&str; 2] = [OWN_FILE, "pyproject.toml"];

const OWN_FILE: &str = "pytest-lens.toml";

/// The table in `pyproject.toml`, below `tool`.
const TABLE: &str = "pytest-lens";

/// The settings that a root which its user does not trust may give: they only change what is shown. No other can: it may
/// name a program, or what a program is given.
const HARMLESS: [&str; 3] = ["codeLens", "inlayHints", "flaky"];

/// Whether a file of this name may hold settings, in a root.
#[must_use]
pub fn is_settings_file(name: impl AsRef<OsStr>) -> bool {
    SETTINGS_FILES.iter().any(|file| name.as_ref() == *file)
}

/// The settings in the files of a root, and their problems.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileSettings {
    /// The valid settings.
    pub given: PartialSettings,
    /// The file that counts, if any does.
    pub file: Option<&'static str>,
    /// The 1-based line of each setting, by its dotted key.
    pub lines: BTreeMap<String, u32>,
    /// The mistakes, in the order of the lines.
    pub problems: Vec<FileProblem>,
}

/// Something wrong with a file of settings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileProblem {
    /// The name of the file.
    pub file: &'static str,
    /// The 1-based line, if it is about one.
    pub line: Option<u32>,
    /// A sentence without the position.
    pub message: String,
}

impl std::fmt::Display for FileProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.file)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl FileSettings {
    /// The settings of a root on disk.
    #[must_use]
    pub fn of_root(root: &Path) -> Self {
        read_settings(&|name| read_file(&root.join(name)))
    }

    /// As [`FileSettings::of_root`], with the problems that only the root's folders show. Looks through them, and blocks.
    #[must_use]
    pub fn checked(root: &Path) -> Self {
        let mut settings = Self::of_root(root);
        if let Some((file, globs)) = settings.file.zip(settings.given.clone().complete().projects) {
            let line = settings.lines.get("projects").copied();
            let problems = unmatched_projects(root, &globs).into_iter().map(|problem| format!("`projects`: {problem}"));
            settings.problems.extend(problems.map(|message| FileProblem { file, line, message }));
            settings.problems.sort();
        }
        settings
    }

    /// The settings that count in a root which its user does not trust: nothing in them can make anything run.
    #[must_use]
    pub fn untrusted(&self) -> PartialSettings {
        self.given.only(&HARMLESS)
    }
}

/// Reads the settings of a root. `files` returns the content of a file by its name.
#[must_use]
pub fn read_settings(files: &dyn Fn(&str) -> io::Result<Vec<u8>>) -> FileSettings {
    let mut found = FileSettings::default();
    for file in SETTINGS_FILES {
        let text = match files(file).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
            Ok(Err(_)) => {
                found.unreadable(file, "it is not UTF-8");
                continue;
            }
            Err(error) => {
                found.unreadable(file, &error.to_string());
                continue;
            }
        };
        let mut reading = Reading { file, text: &text, found: &mut found };
        let root = match DeTable::parse(&text) {
            Ok(root) => root.into_inner(),
            Err(error) => {
                let reason = error.message().trim().replace('\n', ", ");
                let message = format!("invalid TOML: {reason}; until it is correct, its settings do not count");
                reading.problem(error.span().map(|span| span.start), message);
                continue;
            }
        };
        reading.file(&root);
    }
    found.problems.sort();
    found
}

impl FileSettings {
    fn unreadable(&mut self, file: &'static str, reason: &str) {
        let message = format!("its settings do not count, because it can't be read: {reason}");
        self.problems.push(FileProblem { file, line: None, message });
    }
}

/// The reading of one file.
struct Reading<'t> {
    file: &'static str,
    text: &'t str,
    found: &'t mut FileSettings,
}

/// Where a table is: its settings by their dotted key, and by the words of the file.
#[derive(Clone, Copy)]
struct Place<'p> {
    key: &'p str,
    written: &'p str,
}

impl Reading<'_> {
    fn problem(&mut self, offset: Option<usize>, message: String) {
        let line = offset.map(|offset| self.line(offset));
        self.found.problems.push(FileProblem { file: self.file, line, message });
    }

    fn line(&self, offset: usize) -> u32 {
        let ends = self.text.bytes().take(offset).filter(|&byte| byte == b'\n').count();
        u32::try_from(ends).unwrap_or(u32::MAX).saturating_add(1)
    }

    fn file(&mut self, root: &DeTable<'_>) {
        if self.file == OWN_FILE {
            self.settings(root);
            return;
        }
        let Some(tool) = root.get("tool").and_then(|tool| tool.get_ref().as_table()) else { return };
        for (key, value) in tool.iter() {
            let name = key.get_ref().as_ref();
            let table = value.get_ref().as_table();
            let offset = Some(key.span().start);
            if name != TABLE {
                if is_meant(name) {
                    self.problem(offset, format!("[tool.{name}] is not read; write [tool.{TABLE}]"));
                }
                continue;
            }
            match table {
                None => self.problem(offset, format!("tool.{TABLE} must be a table: [tool.{TABLE}]")),
                Some(table) if table.is_empty() => {}
                Some(_) if self.found.file.is_some() => {
                    let message =
                        format!("[tool.{TABLE}] does not count, because {OWN_FILE} has the settings; keep one of them");
                    self.problem(offset, message);
                }
                Some(table) => self.settings(table),
            }
        }
    }

    /// Reads the settings of the file from its table.
    fn settings(&mut self, table: &DeTable<'_>) {
        self.found.file = Some(self.file);
        let top = Place { key: "", written: "" };
        let given = self.table(table, &Settings::all_keys(), top);
        self.found.given = PartialSettings::read(&Value::Object(given)).0;
    }

    /// The valid settings of a table whose keys are `known`.
    fn table(&mut self, table: &DeTable<'_>, known: &Map<String, Value>, place: Place<'_>) -> Map<String, Value> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut good = Map::new();
        for (key, value) in entries {
            let offset = key.span().start;
            let name = camel(key.get_ref());
            let full = dotted(place.key, &name);
            let written = dotted(place.written, key.get_ref());
            let Some(default) = known.get(&*name) else {
                let message = self.unknown(&name, &written, known, place);
                self.problem(Some(offset), message);
                continue;
            };
            if good.contains_key(&*name) {
                self.problem(Some(offset), format!("`{written}` is `{full}`, which is set already; keep one of them"));
                continue;
            }
            let inner = Place { key: &full, written: &written };
            let read = match (default.as_object(), value.get_ref().as_table()) {
                (Some(keys), Some(table)) if !keys.is_empty() => Some(Value::Object(self.table(table, keys, inner)))
                    .filter(|value| value != &Value::Object(Map::new())),
                (Some(_), Some(variables)) => {
                    let mut all = Map::new();
                    for (key, value) in variables.iter() {
                        let name = key.get_ref().as_ref();
                        let (full, written) = (dotted(&full, name), dotted(&written, name));
                        let value = self.value(
                            &[inner.key, name],
                            key.span().start,
                            value,
                            Place { key: &full, written: &written },
                        );
                        value.map(|value| all.insert(name.to_owned(), value));
                    }
                    Some(Value::Object(all))
                }
                _ => {
                    let path: Vec<&str> = full.split('.').collect();
                    self.value(&path, offset, value, inner)
                }
            };
            if let Some(read) = read {
                good.insert(name.into_owned(), read);
            }
        }
        good
    }

    /// A setting's value, if it can be used. `path` has the names that lead to it.
    fn value(
        &mut self,
        path: &[&str],
        offset: usize,
        value: &toml::Spanned<DeValue<'_>>,
        place: Place<'_>,
    ) -> Option<Value> {
        let read = as_json(value.get_ref()).and_then(|value| {
            let whole = path
                .iter()
                .rev()
                .fold(value.clone(), |inner, name| Value::Object(Map::from_iter([((*name).to_owned(), inner)])));
            match PartialSettings::read(&whole).1.first() {
                None => Ok(value),
                Some(Mistake { reason, .. }) => Err(reason.replace("an object", "a table").replace("object", "table")),
            }
        });
        match read {
            Ok(value) => {
                let line = self.line(offset);
                self.found.lines.insert(place.key.to_owned(), line);
                Some(value)
            }
            Err(reason) => {
                let at = Some(value.span().start);
                self.problem(at, format!("`{}`: {reason}; correct it, until then it counts as not set", place.written));
                None
            }
        }
    }

    /// The sentence on a key that is no setting.
    fn unknown(&self, name: &str, written: &str, known: &Map<String, Value>, place: Place<'_>) -> String {
        if self.file == OWN_FILE && written == "tool" {
            return format!("the settings are at the top level of {OWN_FILE}; leave out [tool.{TABLE}]");
        }
        let siblings = || known.keys().map(String::as_str);
        let meant = nearest(name, siblings()).map(|near| dotted(place.key, near)).or_else(|| elsewhere(name));
        if let Some(meant) = meant {
            return format!("`{written}` is no setting; did you mean `{meant}`?");
        }
        let names: Vec<String> = siblings().map(|known| format!("`{}`", dotted(place.key, known))).collect();
        format!("`{written}` is no setting; leave it out, or write one of {}", names.join(", "))
    }
}

/// The setting of another table that a name may mean: `maxReruns` is `rerun.maxReruns`.
fn elsewhere(name: &str) -> Option<String> {
    let all = Settings::all_keys();
    let keys = all.iter().flat_map(|(key, value)| {
        let inner = value
            .as_object()
            .into_iter()
            .flat_map(Map::keys)
            .map(move |inner| (format!("{key}.{inner}"), inner.as_str()));
        std::iter::once((key.clone(), key.as_str())).chain(inner).collect::<Vec<_>>()
    });
    let keys: Vec<(String, &str)> = keys.collect();
    let same = keys.iter().find(|(_, last)| *last == name);
    let near = || {
        nearest(name, keys.iter().map(|(_, last)| *last)).and_then(|near| keys.iter().find(|(_, last)| *last == near))
    };
    same.or_else(near).map(|(key, _)| key.clone())
}

/// Whether a table's name is ours, misspelled.
fn is_meant(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    plain == "pytestlens" || nearest(name, [TABLE]).is_some()
}

/// `max-reruns` and `max_reruns` as `maxReruns`: all three are accepted.
fn camel(name: &str) -> Cow<'_, str> {
    if !name.contains(['-', '_']) {
        return Cow::Borrowed(name);
    }
    let mut words = name.split(['-', '_']);
    let mut joined = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        joined.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        joined.push_str(letters.as_str());
    }
    Cow::Owned(joined)
}

fn dotted(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

/// A TOML value as JSON.
fn as_json(value: &DeValue<'_>) -> Result<Value, String> {
    Ok(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Value::from)
            .map_err(|_| format!("{number} is too large"))?,
        DeValue::Float(number) => {
            let read = number.as_str().parse().ok().and_then(serde_json::Number::from_f64);
            Value::Number(read.ok_or_else(|| format!("{number} is no finite number"))?)
        }
        DeValue::Datetime(_) => return Err("a date is no value of a setting (write text in quotes)".to_owned()),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| as_json(item.get_ref())).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => {
            let entries = table.iter().map(|(key, value)| Ok((key.get_ref().to_string(), as_json(value.get_ref())?)));
            Value::Object(entries.collect::<Result<_, String>>()?)
        }
    })
}

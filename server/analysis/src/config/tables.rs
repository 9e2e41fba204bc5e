//! pytest's tables in a configuration file of any format, as plain values with their lines.

use std::ffi::OsStr;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::ConfigError;
use super::ini;

/// The options of a file's pytest table.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) options: Vec<Setting>,
    /// Values keep their TOML types (`[tool.pytest]`, `pytest.toml`); otherwise they are strings to be split.
    pub(super) native: bool,
}

/// One option.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) value: Value,
    /// 1-based.
    pub(super) line: u32,
}

/// An option's value, before its type is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Bool(bool),
    List(Vec<String>),
    /// A type that no option here accepts, by its name; also a list with an element that is no string.
    Other(&'static str),
}

/// The names of the files that pytest reads its configuration from; the first one that holds any counts.
pub const CONFIG_FILES: [&str; 7] =
    ["pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg"];

/// The rules by which a version of pytest finds its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigRules {
    /// Those of pytest before 9, which knows neither `pytest.toml` nor `[tool.pytest]`, and reads no file after the one
    /// that it has found.
    Before9,
    /// Those of pytest 9 and later.
    Since9,
}

impl ConfigRules {
    /// Reads by the rules of the installed version, which is asked for only if it makes a difference.
    pub fn follow<T: PartialEq>(installed: impl FnOnce() -> Self, read: impl Fn(Self) -> T) -> T {
        let (since, before) = (read(Self::Since9), read(Self::Before9));
        if since == before || installed() == Self::Since9 { since } else { before }
    }

    /// Whether pytest looks for a file of this name.
    pub(super) fn reads(self, name: &str) -> bool {
        self == Self::Since9 || !matches!(name, "pytest.toml" | ".pytest.toml")
    }
}

/// Whether a file of this name may hold pytest's configuration.
#[must_use]
pub fn is_config_file(name: impl AsRef<OsStr>) -> bool {
    CONFIG_FILES.iter().any(|config| name.as_ref() == *config)
}

/// Whether Python made a file of this name of a source: its cache tag shows it (PEP 3147), also where
/// `PYTHONPYCACHEPREFIX` leads. Without a tag, as in `name.pyc`, it is a module whose source is not there.
#[must_use]
pub fn is_cached_bytecode(name: &str) -> bool {
    name.strip_suffix(".pyc").is_some_and(|stem| stem.contains('.'))
}

/// Whether the text of a file with one of the names in [`CONFIG_FILES`] configures pytest. One that pytest refuses does:
/// pytest says what is wrong with it.
#[must_use]
pub fn holds_configuration(path: &Path, name: &str, text: &str) -> bool {
    match table_of(path, name, text, ConfigRules::Since9) {
        Ok(table) => table.is_some(),
        // A file of another program's that can't be parsed says nothing.
        Err(_) => !matches!(name, "pyproject.toml" | "tox.ini" | "setup.cfg") || mentions_pytest(text),
    }
}

fn mentions_pytest(text: &str) -> bool {
    let is_header = |line: &str| {
        let line = line.trim();
        ["[tool.pytest", "[pytest]", "[tool:pytest]"].iter().any(|table| line.starts_with(table))
    };
    text.lines().any(is_header)
}

/// The pytest table of a file with one of the names in [`CONFIG_FILES`]; `None` if the file does not count as
/// configuration.
pub(super) fn table_of(path: &Path, name: &str, text: &str, rules: ConfigRules) -> Result<Option<Table>, ConfigError> {
    match name {
        "pytest.toml" | ".pytest.toml" => pytest_toml(path, text).map(Some),
        "pyproject.toml" => pyproject(path, text, rules),
        "tox.ini" => ini_section(path, text, "pytest"),
        "setup.cfg" => ini_section(path, text, "tool:pytest"),
        // These two count even without a section.
        _ => Ok(Some(ini_section(path, text, "pytest")?.unwrap_or_default())),
    }
}

fn ini_section(path: &Path, text: &str, wanted: &str) -> Result<Option<Table>, ConfigError> {
    let error = |line: u32, message: String| ConfigError { file: path.to_owned(), line: Some(line), message };
    let sections = ini::parse(text).map_err(|(line, message)| error(line, message))?;
    if let Some(section) = sections.iter().find(|section| section.name == wanted) {
        let options = section.entries.iter().map(|entry| Setting {
            name: entry.name.clone(),
            value: Value::Text(entry.value.clone()),
            line: entry.line,
        });
        return Ok(Some(Table { options: options.collect(), native: false }));
    }
    match sections.iter().find(|section| section.name == "pytest") {
        Some(old) => {
            let message = "pytest no longer reads [pytest] here; rename the section to [tool:pytest]";
            Err(error(old.line, message.to_owned()))
        }
        None => Ok(None),
    }
}

/// A parsed TOML file, with the text that error messages need.
struct Document<'t> {
    path: &'t Path,
    text: &'t str,
}

impl Document<'_> {
    fn error(&self, offset: Option<usize>, message: impl Into<String>) -> ConfigError {
        ConfigError {
            file: self.path.to_owned(),
            line: offset.map(|offset| self.line(offset)),
            message: message.into(),
        }
    }

    fn line(&self, offset: usize) -> u32 {
        let before = self.text.as_bytes().iter().take(offset);
        let ends = before.filter(|&&byte| byte == b'\n').count();
        u32::try_from(ends).unwrap_or(u32::MAX).saturating_add(1)
    }

    fn parse(&self) -> Result<DeTable<'_>, ConfigError> {
        DeTable::parse(self.text).map(toml::Spanned::into_inner).map_err(|error| {
            let message = error.message().trim().replace('\n', ", ");
            self.error(error.span().map(|span| span.start), format!("invalid TOML: {message}"))
        })
    }

    fn settings(&self, table: &DeTable<'_>, native: bool, skip: &str) -> Table {
        let options = table.iter().filter(|(key, _)| key.get_ref() != skip);
        Table {
            options: options
                .map(|(key, value)| Setting {
                    name: key.get_ref().to_string(),
                    value: if native { typed(value.get_ref()) } else { as_ini(value.get_ref()) },
                    line: self.line(key.span().start),
                })
                .collect(),
            native,
        }
    }
}

fn pytest_toml(path: &Path, text: &str) -> Result<Table, ConfigError> {
    let document = Document { path, text };
    let root = document.parse()?;
    if let Some((key, value)) = root.get_key_value("pytest") {
        let Some(table) = value.get_ref().as_table() else {
            return Err(document.error(Some(key.span().start), "pytest has to be a table: [pytest]"));
        };
        return Ok(document.settings(table, true, ""));
    }
    match root.iter().find(|(_, value)| value.get_ref().as_table().is_none()) {
        Some((key, _)) => {
            let message = format!("{} stands outside of the [pytest] table; put [pytest] before it", key.get_ref());
            Err(document.error(Some(key.span().start), message))
        }
        None => Ok(Table::default()),
    }
}

fn pyproject(path: &Path, text: &str, rules: ConfigRules) -> Result<Option<Table>, ConfigError> {
    let document = Document { path, text };
    let root = document.parse()?;
    let Some((key, tool)) = root.get_key_value("tool") else {
        return Ok(None);
    };
    let Some(tool) = tool.get_ref().as_table() else {
        return Err(document.error(Some(key.span().start), "tool has to be a table: [tool]"));
    };
    let Some((key, pytest)) = tool.get_key_value("pytest") else {
        return Ok(None);
    };
    let Some(table) = pytest.get_ref().as_table() else {
        return Err(document.error(Some(key.span().start), "tool.pytest has to be a table: [tool.pytest]"));
    };
    let native = match rules {
        ConfigRules::Since9 => document.settings(table, true, "ini_options"),
        ConfigRules::Before9 => Table::default(),
    };
    let Some((key, ini)) = table.get_key_value("ini_options") else {
        return Ok((!native.options.is_empty()).then_some(native));
    };
    let Some(ini) = ini.get_ref().as_table() else {
        return Err(document.error(Some(key.span().start), "tool.pytest.ini_options has to be a table"));
    };
    if !native.options.is_empty() && ini.iter().next().is_some() {
        let message = "[tool.pytest] and [tool.pytest.ini_options] exclude each other; keep one of them";
        return Err(document.error(Some(key.span().start), message));
    }
    if native.options.is_empty() { Ok(Some(document.settings(ini, false, ""))) } else { Ok(Some(native)) }
}

fn typed(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Array(items) => {
            let strings: Option<Vec<String>> =
                items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect();
            strings.map_or(Value::Other("a list with something else than strings"), Value::List)
        }
        DeValue::Integer(_) => Value::Other("an integer"),
        DeValue::Float(_) => Value::Other("a float"),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Table(_) => Value::Other("a table"),
    }
}

/// Converts a TOML value in place of an ini string, as pytest does: lists stay, scalars become Python's text.
fn as_ini(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::Boolean(true) => Value::Text("True".to_owned()),
        DeValue::Boolean(false) => Value::Text("False".to_owned()),
        DeValue::Integer(number) => Value::Text(number.to_string()),
        DeValue::Float(number) => Value::Text(number.to_string()),
        DeValue::Datetime(date) => Value::Text(date.to_string()),
        other => typed(other),
    }
}

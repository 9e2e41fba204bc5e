//! The figure next to tests that shows a run's progress, as pytest writes it for each `console_output_style`.

use crate::options::values::Figure;

/// How many tests are done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done {
    pub count: usize,
    pub total: usize,
}

/// The figure, after a space; empty if there is none. `took_ms`: the time that the tests of the line took.
pub(super) fn figure(figure: Figure, done: Done, took_ms: f64) -> String {
    let Done { count, total } = done;
    match figure {
        Figure::None => String::new(),
        Figure::Percent => format!(" [{:3}%]", (100 * count).checked_div(total).unwrap_or(100)),
        Figure::Count => format!(" [{count:width$}/{total}]", width = total.to_string().len()),
        Figure::Time => format!(" {}", duration(took_ms / 1000.0)),
    }
}

/// The room that pytest leaves for a figure at the end of a line.
pub(super) fn room(figure: Figure, total: usize) -> usize {
    match figure {
        Figure::None => 0,
        Figure::Percent => " [100%]".len(),
        Figure::Count => format!(" [{total}/{total}]").len(),
        Figure::Time => " 99h 59m".len(),
    }
}

/// Four digits and a unit, and from a minute on two units: pytest's `format_node_duration`.
fn duration(seconds: f64) -> String {
    let forms = [
        (1e6, "us", 3, 10.0),
        (1e6, "us", 2, 100.0),
        (1e6, "us", 1, 1000.0),
        (1e3, "ms", 3, 10.0),
        (1e3, "ms", 2, 100.0),
        (1e3, "ms", 1, 1000.0),
        (1.0, "s", 3, 60.0),
    ];
    for (scale, unit, digits, limit) in forms {
        let text = format!("{:.digits$}", seconds * scale);
        // The rounded value decides about the unit.
        if text.parse().is_ok_and(|rounded: f64| rounded < limit) {
            return format!("{text}{unit}");
        }
    }
    let whole = std::time::Duration::try_from_secs_f64(seconds.round()).unwrap_or_default().as_secs();
    if whole < 3_600 {
        format!("{}m {}s", whole / 60, whole % 60)
    } else {
        format!("{}h {}m", whole / 3_600, whole % 3_600 / 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_pytest_writes_them() {
        let written = [0.0, 0.000_012_34, 0.000_999_96, 0.012_345, 0.999_96, 59.9, 61.4, 7_322.0].map(duration);
        assert_eq!(written, ["0.000us", "12.34us", "1.000ms", "12.35ms", "1.000s", "59.900s", "1m 1s", "2h 2m"]);
    }
}

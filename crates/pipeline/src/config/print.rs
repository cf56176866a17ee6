//! Settings in, commented TOML out: what it prints can be read back as a `--config` file. A number has its range beside it.

use super::{Config, SECTIONS, TASK, TASK_DOC};
use toml::{Table, Value};

/// Every key with its comment, value and range.
pub fn to_toml(config: &Config) -> String {
    // Plain structs of numbers, strings and lists: every one of them can be written as TOML.
    let values = Table::try_from(config).unwrap_or_default();
    let mut out = format!("#{TASK_DOC}\n");
    if let Some(value) = values.get(TASK) {
        out += &format!("{TASK} = {value}\n");
    }
    for (section, keys) in SECTIONS {
        out.push('\n');
        out += &format!("[{section}]\n");
        for key in keys {
            key.doc.lines().for_each(|line| out += &format!("#{}\n", line.trim_end()));
            if let Some(value) = values.get(section).and_then(|table| table.get(key.name)) {
                let range = key.range.map_or(String::new(), |range| {
                    let each = if value.is_array() { "each " } else { "" };
                    format!(" # {each}{range}")
                });
                out += &format!("{} = {}{range}\n", key.name, plain(value));
            }
        }
    }
    out
}

/// Floats keep a point, and f32 settings do not show the digits that f64 adds.
fn plain(value: &Value) -> String {
    match value {
        Value::Float(number) if f64::from(*number as f32) == *number => format!("{:?}", *number as f32),
        other => other.to_string(),
    }
}

//! Settings: TOML files, and the words after `--set`.

use crate::data::write;
use crate::harness::Subject;
use crate::program::run;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub(crate) const CONFIGS: &[Subject] = &[
    Subject { name: "toml", make: toml, read: read_toml },
    Subject { name: "set", make: set, read: read_set },
];

const SMALL: &str = "task = \"ctr\"\n[model]\ndim = 64\n[train]\nepochs = 3\nrate = 1e-3\n[blend]\nalphas = [0, 0.5, 1]\n[content]\nencoder = \"hash:?dim=64\"\n";

fn toml(folder: &Path) -> Vec<String> {
    let whole = crate::common::succeed(["config"]);
    write(folder, &[("small.toml", SMALL), ("whole.toml", whole.as_str())])
}

fn read_toml(folder: &Path) -> Result<(), String> {
    let path = |name: &str| folder.join(name).into_os_string();
    run(["config".into(), "--config".into(), path("small.toml")])?;
    run(["config".into(), "--json".into(), "--config".into(), path("whole.toml")])
}

fn set(folder: &Path) -> Vec<String> {
    write(
        folder,
        &[("set", "train.epochs=8\nblend.alphas=[0, 0.5]\nmodel.dim=32\ntask=ctr\ntrain.delay=window")],
    )
}

/// A line is the value of one `--set`.
fn read_set(folder: &Path) -> Result<(), String> {
    let lines = std::fs::read(folder.join("set")).expect("a file");
    // No argument holds a zero byte, and the system bounds their length.
    let lines: Vec<&[u8]> =
        lines.split(|&byte| byte == b'\n' || byte == 0).map(|line| &line[..line.len().min(9999)]).collect();
    let set = lines.iter().take(100).flat_map(|line| [OsStr::new("--set"), OsStr::from_bytes(line)]);
    run(std::iter::once(OsStr::new("config")).chain(set))
}

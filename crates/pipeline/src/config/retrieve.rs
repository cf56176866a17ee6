//! The section `retrieve`: sources of candidates and indexes outside the program, and how long any source may take.

use semrank_core::settings::SettingError;
use semrank_retrieve::IndexUrl;
use semrank_retrieve::sourcer::HttpSpec;
use std::time::Duration;

semrank_core::settings! {
    /// The first stage.
    pub struct RetrieveSettings of "retrieve" {
        /// Sources of your own, each `NAME=http://HOST/PATH`, e.g. `["graph=http://127.0.0.1:9000/candidates"]`: docs/retrieval.md
        /// says what they are asked and answer. `semrank index` then chooses their quotas with the others'.
        http: Vec<String> = Vec::new(),
        /// Where the vectors of the sources `sequence` and `content` are searched: `flat://` (in memory, exact), or with the features of
        /// these names `hnsw://` (in memory, approximate), `postgres://USER@HOST/DATABASE` (pgvector) or
        /// `milvus://HOST:19530/DATABASE`, both with `?table=NAME`, else `semrank`. The environment has the password: PGPASSWORD, or
        /// MILVUS_TOKEN=USER:PASSWORD. The tables NAME_sequence and NAME_content are emptied and filled when a run is opened; one
        /// process has them at a time. Where an index is approximate `sequence` is searched by `flat://`, as it is exact.
        index: String = "flat://".into(),
        /// Milliseconds after which a source's answer is late: it is left out, and the answer says so.
        deadline_ms: u64 = 500, in 1..=60_000,
    }
}

impl RetrieveSettings {
    /// Validates the settings.
    ///
    /// # Errors
    /// The first invalid value.
    pub fn check(&self) -> Result<(), SettingError> {
        self.check_ranges()?;
        self.index()?;
        self.sources().map(|_| ())
    }

    /// Where vectors are searched.
    ///
    /// # Errors
    /// An address that is none, of an engine that is not built in, or with a password, which would be stored with the run.
    pub fn index(&self) -> Result<IndexUrl, SettingError> {
        let url = self.index.parse().and_then(|url: IndexUrl| match url.has_password() {
            true => Err("an address without a password: set PGPASSWORD or MILVUS_TOKEN".to_owned()),
            false => Ok(url),
        });
        let got = || "an address that cannot be used".to_owned();
        url.map_err(|expected| SettingError { key: "retrieve.index", got: got(), expected })
    }

    /// The sources outside the program.
    ///
    /// # Errors
    /// The first that is none, or has the name of another.
    pub fn sources(&self) -> Result<Vec<HttpSpec>, SettingError> {
        let refused =
            |expected| SettingError { key: "retrieve.http", got: format!("{:?}", self.http), expected };
        let mut out: Vec<HttpSpec> = Vec::new();
        for text in &self.http {
            // What was given may hold a password, so it is not shown.
            let shown = |expected| SettingError {
                got: "a source that cannot be used".to_owned(),
                ..refused(expected)
            };
            let spec: HttpSpec = text.parse().map_err(shown)?;
            if out.iter().any(|other| other.name() == spec.name()) {
                return Err(refused(format!("one source of the name {}", spec.name())));
            }
            out.push(spec);
        }
        Ok(out)
    }

    /// How long a source may take.
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_have_names_of_their_own_and_no_password_is_shown() {
        let with = |http: &[&str]| RetrieveSettings {
            http: http.iter().map(|text| (*text).to_owned()).collect(),
            ..RetrieveSettings::default()
        };
        assert!(with(&["a=http://host/", "b=http://host/"]).check().is_ok());
        let message = |http: &[&str]| with(http).check().unwrap_err().to_string();
        assert!(message(&["a=http://host/", "a=http://other/"]).contains("one source of the name a"));
        assert!(message(&["popular=http://host/"]).contains("has this name already"));
        assert!(!message(&["a=http://me:secret@host/"]).contains("secret"));
        let index =
            |text: &str| RetrieveSettings { index: text.to_owned(), ..RetrieveSettings::default() }.check();
        assert!(index("flat://").is_ok());
        assert!(index("faiss://").unwrap_err().to_string().contains("flat://, hnsw://"));
        assert!(!index("postgres://me:secret@host/d").unwrap_err().to_string().contains("secret"));
    }
}

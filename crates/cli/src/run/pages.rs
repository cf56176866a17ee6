//! The pages beside the figures of a next-item run: `report.html`, and `tokens.html` where items have semantic ids.

use crate::report;
use crate::tokens::sentence;
use semrank_pipeline::{
    Error, REPORT, Run, ids,
    next_item::{Evaluation, Extra},
    overview::{self, TokensLink},
};
use semrank_store::write_atomically;
use std::path::{Path, PathBuf};

/// The report's file.
pub(crate) const REPORT_PAGE: &str = "report.html";
/// The file of the page on semantic ids.
pub(crate) const TOKENS_PAGE: &str = "tokens.html";

/// The file of the page on sources of candidates, beside the stages.
pub(crate) const SOURCES_PAGE: &str = "sources.html";

/// What the pages are of.
pub(crate) struct Pages<'a> {
    pub(crate) run: &'a Run,
    /// Rows from outside.
    pub(crate) extra: &'a [Extra],
}

impl Pages<'_> {
    /// Writes them into a folder.
    pub(crate) fn write(&self, evaluation: &Evaluation, dir: &Path) -> Result<(), Error> {
        let mut content = overview::of_next_item(self.run, evaluation, self.extra)?;
        content.tokens = self.tokens(dir)?;
        write_page(&dir.join(REPORT_PAGE), &report::render(&content))
    }

    fn tokens(&self, dir: &Path) -> Result<Option<TokensLink>, Error> {
        let (data, content) = (self.run.data()?, self.run.content()?);
        let Some(ids) = &content.tokens else { return Ok(None) };
        let found = ids::of_run(&data.dataset, content, &self.run.codebook(), ids)?;
        write_page(&dir.join(TOKENS_PAGE), &report::render_tokens(&found))?;
        Ok(Some(TokensLink { page: TOKENS_PAGE.into(), summary: sentence(&found) }))
    }

    /// Those of a finished run: file name and place.
    pub(crate) fn places(&self) -> Result<Vec<(&'static str, PathBuf)>, Error> {
        let dir = self.run.folder(REPORT);
        let tokens = self.run.content()?.tokens.is_some().then_some(TOKENS_PAGE);
        Ok([REPORT_PAGE].into_iter().chain(tokens).map(|page| (page, dir.join(page))).collect())
    }
}

/// Writes a page that appears whole or not at all.
pub(crate) fn write_page(path: &Path, html: &str) -> Result<(), Error> {
    Ok(write_atomically(path, |out| out.write_all(html.as_bytes()))?)
}

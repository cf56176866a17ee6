//! TF-IDF weights: term counts of a document in, one sparse row of length 1 out (Salton & Buckley 1988, "Term-weighting
//! approaches in automatic text retrieval").
//!
//! Term frequency is sublinear, `1 + ln tf`; the inverse document frequency is smoothed, `ln((1 + n) / (1 + df)) + 1`. This is
//! the form of scikit-learn's `TfidfVectorizer(sublinear_tf=True)`.
//!
//! ```
//! use semrank_nn::linalg::tfidf::{inverse_frequency, unit_row};
//! let idf = [inverse_frequency(3, 0), inverse_frequency(3, 3)]; // of 3 documents, none and all have the term
//! assert_eq!(idf, [4f32.ln() + 1.0, 1.0]);
//! assert_eq!(unit_row([(7, 1, 2.0)]), [(7, 1.0)]); // column, count, idf
//! ```

/// The inverse document frequency of a term that `frequency` of `documents` contain.
pub fn inverse_frequency(documents: usize, frequency: u32) -> f32 {
    (((1 + documents) as f64 / f64::from(1 + frequency)).ln() + 1.0) as f32
}

/// The entries `(column, weight)` of a row of length 1, from each term's `(column, count, inverse document frequency)`.
pub fn unit_row(terms: impl IntoIterator<Item = (u32, usize, f32)>) -> Vec<(u32, f32)> {
    let weight = |(column, count, idf)| (column, (1.0 + (count as f32).ln()) * idf);
    let mut entries: Vec<(u32, f32)> = terms.into_iter().map(weight).collect();
    let length = entries.iter().map(|&(_, value)| f64::from(value) * f64::from(value)).sum::<f64>().sqrt();
    entries.iter_mut().for_each(|(_, value)| *value = (f64::from(*value) / length) as f32);
    entries
}

//! Trained models and trainings under way, to and from a folder.
//!
//! Tensors are safetensors, the rest is JSON. Equal training gives equal bytes: no file holds a time, a path or a hash
//! of the data. Files are written under their final names: write into a staged folder
//! ([`StagedDir`](semrank_store::StagedDir)) and commit it.
//!
//! | file | holds |
//! |---|---|
//! | `model.safetensors`, `model.json` | network, item-item term, prior; shape, blend, training curve |
//! | `state.safetensors`, `state.json` | a [`Fitting`](crate::Fitting) between two steps |

mod state;
mod trained;

pub use trained::{Trained, TrainedFacts, load_trained, save_trained};

//! A cache of keys and values: a sequence continues without computing its earlier positions again.

use crate::{Attention, PastHeads, Scalar};
use std::sync::Arc;

/// Keys and values of every layer for a sequence. A cache can continue another one that several share: one
/// history, many tails.
///
/// ```
/// use semrank_nn::KvCache;
/// use std::sync::Arc;
/// let history = Arc::new(KvCache::<f32>::new(2)); // of a stack of 2 layers
/// let tails = [KvCache::after(&history), KvCache::after(&history)];
/// assert_eq!(tails[0].len(), history.len());
/// ```
#[derive(Debug, Clone)]
pub struct KvCache<T> {
    prefix: Option<Arc<KvCache<T>>>,
    layers: Vec<PastHeads<T>>,
}

impl<T: Scalar> KvCache<T> {
    /// Without positions, for a stack of `layers` layers.
    pub fn new(layers: usize) -> Self {
        Self { prefix: None, layers: vec![PastHeads::default(); layers] }
    }

    /// No positions yet but those of `prefix`, which stays as it is.
    pub fn after(prefix: &Arc<KvCache<T>>) -> Self {
        Self { prefix: Some(Arc::clone(prefix)), ..Self::new(prefix.layers.len()) }
    }

    /// Number of positions, those of the prefix included.
    pub fn len(&self) -> usize {
        self.before() + self.layers.first().map_or(0, PastHeads::len)
    }

    /// Whether there are no positions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all positions from `len` on.
    ///
    /// # Panics
    /// When they are in the prefix.
    pub fn truncate(&mut self, len: usize) {
        let own = len.checked_sub(self.before()).expect("the prefix is shared and stays");
        self.layers.iter_mut().for_each(|layer| layer.truncate(own));
    }

    /// Appends the keys and values of a layer's rows of queries, keys and values, already turned where positions are rotary.
    pub(crate) fn append(&mut self, layer: usize, shape: &Attention, qkv: &[T]) {
        self.layers[layer].append(shape, qkv);
    }

    /// A layer's positions in their order: of the prefixes, then its own.
    pub(crate) fn segments(&self, layer: usize) -> Vec<&PastHeads<T>> {
        let mut out: Vec<_> = std::iter::successors(Some(self), |cache| cache.prefix.as_deref())
            .map(|cache| &cache.layers[layer])
            .collect();
        out.retain(|past| !past.is_empty());
        out.reverse();
        out
    }

    fn before(&self) -> usize {
        self.prefix.as_ref().map_or(0, |prefix| prefix.len())
    }
}

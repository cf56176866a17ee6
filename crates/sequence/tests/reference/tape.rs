//! A scalar reverse-mode tape.

/// A value on the tape and how it depends on earlier ones.
#[derive(Default)]
pub(crate) struct Tape {
    pub(crate) values: Vec<f64>,
    parents: Vec<Vec<(usize, f64)>>,
}

pub(crate) type Var = usize;

impl Tape {
    pub(crate) fn push(&mut self, value: f64, parents: Vec<(Var, f64)>) -> Var {
        self.values.push(value);
        self.parents.push(parents);
        self.values.len() - 1
    }

    pub(crate) fn constant(&mut self, value: f64) -> Var {
        self.push(value, vec![])
    }

    pub(crate) fn add(&mut self, a: Var, b: Var) -> Var {
        self.push(self.values[a] + self.values[b], vec![(a, 1.0), (b, 1.0)])
    }

    pub(crate) fn mul(&mut self, a: Var, b: Var) -> Var {
        let (x, y) = (self.values[a], self.values[b]);
        self.push(x * y, vec![(a, y), (b, x)])
    }

    pub(crate) fn times(&mut self, a: Var, factor: f64) -> Var {
        self.push(self.values[a] * factor, vec![(a, factor)])
    }

    pub(crate) fn map(&mut self, a: Var, value: impl Fn(f64) -> f64, slope: impl Fn(f64) -> f64) -> Var {
        let x = self.values[a];
        self.push(value(x), vec![(a, slope(x))])
    }

    pub(crate) fn sum(&mut self, terms: &[Var]) -> Var {
        self.push(terms.iter().map(|&t| self.values[t]).sum(), terms.iter().map(|&t| (t, 1.0)).collect())
    }

    pub(crate) fn dot(&mut self, a: &[Var], b: &[Var]) -> Var {
        let terms: Vec<Var> = a.iter().zip(b).map(|(&a, &b)| self.mul(a, b)).collect();
        self.sum(&terms)
    }

    pub(crate) fn gradients(&self, of: Var) -> Vec<f64> {
        let mut grads = vec![0.0; self.values.len()];
        grads[of] = 1.0;
        for at in (0..=of).rev() {
            for &(parent, slope) in &self.parents[at] {
                grads[parent] += grads[at] * slope;
            }
        }
        grads
    }
}

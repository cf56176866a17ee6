//! Tests of `bert:` encoders on made-up model folders, and on all-MiniLM-L6-v2 where it is installed.

mod files;
mod model;
mod refused;
mod trained;
mod variants;
mod vectors;

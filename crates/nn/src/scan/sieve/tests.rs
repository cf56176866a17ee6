//! No score is above what the sieve says, at every level of instructions, which all say the same.

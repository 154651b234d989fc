//! Programs with one known bug each. The sanitizer lanes run them first: a sanitizer that does not
//! find these finds nothing else either, and its silence about the real tests means nothing.

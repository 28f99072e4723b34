// Package wav reads sound in Microsoft's WAVE format (RIFF; "Multiple Channel Audio
// Data and WAVE Files", 2007): PCM of 8, 16, 24 and 32 bits, IEEE floats of 32 and 64,
// with the plain and the extensible header, any number of channels. Samples are scaled
// as libsndfile scales them: whole numbers to [-1, 1), floats as they are.
//
// A Reader streams and believes no size in the file before its bytes have come.
// Compressed sound is refused.
//
// It is written here, and no library, because the one there is for Go (go-audio/wav)
// has had no release since 2022, holds a whole clip as integers, and reads no floats.
package wav

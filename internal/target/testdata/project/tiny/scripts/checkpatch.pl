#!/usr/bin/env perl
# The tiny kernel's checkpatch: it objects to the word "bad", and
# takes its time over the word "slow".
use strict;
use warnings;
my $file = $ARGV[-1];
open(my $in, '<', $file) or die "$file: $!\n";
my $found = 0;
while (<$in>) {
	sleep 3 if /\bslow\b/; # longer than the tiny kernel takes to compile
	next unless /\bbad\b/;
	print "$file:$.: WARNING:BAD_WORD: a bad word\n";
	$found = 1;
}
exit $found;

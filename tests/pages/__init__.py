"""What the pages say, tried: every block of every page is run, or says why it is not; every link leads somewhere."""

"""Events that come in as a file: reading whatever somebody sends, judging each row, and taking the good ones in."""

"""What tests of an application that is built on this need: a Clerk instance of their own, and who calls with it."""

// The page of the console.

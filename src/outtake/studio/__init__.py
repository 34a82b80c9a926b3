"""The page in which frames of a clip are labelled, a network is trained and objects go."""

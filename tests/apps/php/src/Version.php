<?php

namespace Hello;

final class Version
{
    const VERSION = "php one";
}
